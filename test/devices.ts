import { cpu, type Device } from "@snoopi/core";

/** The devices that every numerical test of a network runs on. */
export const devices: { name: string; device: Device }[] = [{ name: "cpu", device: cpu }];
