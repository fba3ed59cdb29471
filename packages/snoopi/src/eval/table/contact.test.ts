import { expect, test } from "vitest";
import { attributeNames, attributeValues } from "../../world/attributes.ts";
import { parseCaption } from "../../world/caption.ts";
import { contactNegatives, contactPrompts } from "./contact.ts";

test("ten prompts show every value of every attribute, and leave each open at least once", () => {
  expect(contactPrompts.length).toBe(10);
  expect(new Set(contactPrompts).size).toBe(10);
  const asked = contactPrompts.map(parseCaption);
  for (const name of attributeNames) {
    expect(new Set(asked.map((one) => one[name]).filter((value) => value !== undefined))).toEqual(new Set(attributeValues[name]));
    expect(asked.some((one) => one[name] === undefined)).toBe(true);
  }
});

test("a negative names one value, and nothing that its prompt asks for", () => {
  for (const { prompt, negative } of contactNegatives) {
    const away = Object.entries(parseCaption(negative));
    expect(away.length).toBe(1);
    expect(parseCaption(prompt)).not.toHaveProperty(away[0][0]);
  }
});
