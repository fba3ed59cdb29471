"""A small vocabulary in CLIP's format, and the ids the reference tokenizer gives for hard strings."""

import json
import shutil
import tempfile
import unicodedata
from collections import Counter
from pathlib import Path

import regex
from transformers import CLIPTokenizer

from . import store
from .names import CHECKPOINTS

START, END, END_OF_WORD = "<|startoftext|>", "<|endoftext|>", "</w>"
WORDS = regex.compile(r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+""")

TEXT = """
a photo of a cat sitting on a red chair, a photo of a dog running on the beach, a painting of a small house by the lake in the morning light.
the old fisherman's boat is waiting near the harbour; it's raining and the lights of the town are shining on the water.
a portrait of a young woman with long dark hair, wearing a blue coat, standing in the snow, soft light, highly detailed, sharp focus.
a wide landscape with mountains, a river and a forest of tall trees under a cloudy evening sky, oil painting, in the style of an old master.
an astronaut riding a horse on the moon, digital art, bright colours, cinematic lighting, trending, very detailed illustration.
a bowl of fruit: apples, oranges, grapes and a lemon on a wooden table next to a glass of wine!! still life, natural light from the window.
a street in the city at night with neon signs, people walking with umbrellas, reflections on the wet road, a photograph taken in 1984.
a black and white drawing of a mechanical bird, with gears and springs, on a plain white background, engraving, fine lines.
worst quality, low quality, blurry, bad anatomy, watermark, out of frame, ugly, duplicate, text, deformed, extra fingers, cropped image.
she's reading a book in the garden while they're playing; we've seen that i'll be there, he'd come, i'm sure, and you can't miss it...
the king of the castle, the queen of the night, three wise men, seven swords and nine stars: a fantasy map, drawn with ink and watercolour.
a robot cooking dinner in a modern kitchen; a child looking at the camera; two people dancing; a train crossing a bridge in the fog.
""".strip()

# Each line is here because some tokenizer gets it wrong: see the names.
HARD = {
    "empty": "",
    "plain": "a photo of a cat",
    "capitals": "A Photo Of A CAT",
    "whitespace": "  a \t photo\n\nof   a\u00a0cat\u3000sitting ",
    "punctuation": "a cat, a dog; (a [bird]) -- \"quoted\" & <b>bold</b>!?",
    "exclamations": "wow! nice!! great!!! ! !!",
    "three exclamations": "!!!",
    "digits": "1984 in 4k, 3.14159, \u0661\u0662\u0663 \u00bd \u2460 x2",
    "contractions": "it's she's they're we've i'm he'll can't he'd o'clock 's 'tis '\u2019s it\u2019s",
    "capital contractions": "IT'S SHE'S THEY'RE",
    "emoji": "a \U0001f600 cat \U0001f44d\U0001f3fd \U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f",
    "cjk": "\u4e00\u53ea\u732b sitting \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8 \ud55c\uad6d\uc5b4",
    "accents composed": "caf\u00e9 na\u00efve \u00dcber \u0160koda",
    "accents combining": "cafe\u0301 nai\u0308ve U\u0308ber S\u030ckoda a\u0323\u0302",
    "ligature and sharp s": "\ufb01ne stra\u00dfe STRASSE \u1e9e \u01c4",
    "dotted capital i": "\u0130stanbul I\u0307 \u0131",
    "final sigma": "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u039f\u0394\u039f\u03a3 \u039f\u0394\u039f\u03a3\u0391",
    "arabic and hebrew": "\u0642\u0637\u0629 \u05d7\u05ea\u05d5\u05dc",
    "devanagari": "\u092c\u093f\u0932\u094d\u0932\u0940",
    "controls": "a\u0000b\u0007c\u200bd\u00ade\ufeff",
    "replacement": "a \ufffd b \ufffe",
    "html entities": "cats &amp; dogs &lt;3",
    "literal start": "a <|startoftext|> cat",
    "literal end": "a cat<|endoftext|>a dog",
    "literal end in capitals": "a <|ENDOFTEXT|> cat",
    "end of word text": "a cat</w> dog </w>",
    "underscore and hyphen": "snake_case kebab-case __init__ a--b",
    "url": "https://example.com/a?b=c#d",
    "mixed scripts": "catko\u0448ka\u732b42",
    "long word": "antidisestablishmentarianism" * 4,
    "long": "a painting of a small house by the lake, " * 12,
    "long digits": "7" * 100,
    "long exclamations": "!" * 90,
    "exactly filled": " ".join(["cat"] * 75),
    "one too many": " ".join(["cat"] * 76),
}


def byte_symbols() -> list[str]:
    """The 256 printable stand-ins of the bytes in CLIP's vocabulary order: the printable Latin-1 ones first, then U+0100 and up."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [chr(code) for code in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def byte_to_symbol() -> dict[int, str]:
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [code for code in range(256) if code not in printable]
    return dict(zip(printable + rest, byte_symbols(), strict=True))


def train(merges: int) -> list[tuple[str, str]]:
    """The most frequent pair first; ties go to the smaller pair, so that the result does not depend on dictionary order."""
    symbols = byte_to_symbol()
    counts: Counter[tuple[str, ...]] = Counter()
    for word in WORDS.findall(unicodedata.normalize("NFC", " ".join(TEXT.split())).lower()):
        pieces = [symbols[byte] for byte in word.encode()]
        pieces[-1] += END_OF_WORD
        counts[tuple(pieces)] += 1
    learned: list[tuple[str, str]] = []
    while len(learned) < merges:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, count in counts.items():
            for pair in zip(word, word[1:], strict=False):
                pairs[pair] += count
        if not pairs:
            raise ValueError(f"the text is used up after {len(learned)} merges")
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learned.append(best)
        merged: Counter[tuple[str, ...]] = Counter()
        for word, count in counts.items():
            out: list[str] = []
            i = 0
            while i < len(word):
                if word[i : i + 2] == best:
                    out.append(word[i] + word[i + 1])
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            merged[tuple(out)] += count
        counts = merged
    return learned


def vocabulary(merges: list[tuple[str, str]]) -> dict[str, int]:
    symbols = byte_symbols()
    tokens = [*symbols, *(s + END_OF_WORD for s in symbols), *(a + b for a, b in merges), START, END]
    if len(set(tokens)) != len(tokens):
        raise ValueError("two merges give the same token")
    return {token: i for i, token in enumerate(tokens)}


def special(content: str) -> dict:
    return {"content": content, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def save(folder: Path, merges_count: int, pad: str, max_length: int, forms: set[str]) -> int:
    """Writes a tokenizer folder. forms: "vocab" for vocab.json + merges.txt + the two config files as published folders have
    them, "json" for tokenizer.json and its config as transformers writes them, or both. Returns the vocabulary's size."""
    folder.mkdir(parents=True, exist_ok=True)
    merges = train(merges_count)
    vocab = vocabulary(merges)
    if "json" in forms:
        tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, pad_token=pad, model_max_length=max_length)
        tokenizer.save_pretrained(folder)
    if "vocab" in forms:
        (folder / "vocab.json").write_text(json.dumps(vocab, ensure_ascii=False, separators=(",", ":")))
        (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
        # As in the published SD2 folder, the pad token stands in special_tokens_map.json only; the config still says <|endoftext|>.
        config = {
            "add_prefix_space": False,
            "bos_token": {"__type": "AddedToken", **special(START)},
            "do_lower_case": True,
            "eos_token": {"__type": "AddedToken", **special(END)},
            "errors": "replace",
            "model_max_length": max_length,
            "pad_token": END,
            "tokenizer_class": "CLIPTokenizer",
            "unk_token": {"__type": "AddedToken", **special(END)},
        }
        tokens = {"bos_token": special(START), "eos_token": special(END), "pad_token": pad, "unk_token": special(END)}
        (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
        (folder / "special_tokens_map.json").write_text(json.dumps(tokens, indent=2) + "\n")
    return len(vocab)


def load(checkpoint: str) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(store.ROOT / checkpoint / "tokenizer")


def added_token(content: str, special: bool = True, normalized: bool = True) -> dict:
    """As `added_tokens_decoder` and tokenizer.json list it."""
    return {"content": content, "lstrip": False, "normalized": normalized, "rstrip": False, "single_word": False, "special": special}


PROBES = ["a cat!", "a <|endoftext|> cat <|ENDOFTEXT|>", "a <sks> cat <SKS>"]


def variants(vocab: dict[str, int]) -> dict[str, dict[str, object]]:
    """Folders that differ from sd15-tiny's in the files beside the vocabulary, each by which file says what of its tokens."""
    roles = {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END}
    bang = {**roles, "pad_token": "!"}
    decoder = {str(vocab[token]): added_token(token) for token in (START, END)}
    current = {**roles, "added_tokens_decoder": decoder}
    size = len(vocab)
    user = {"id": size, **added_token("<sks>", special=False)}
    return {
        "no other file": {},
        "special_tokens_map.json alone": {"special_tokens_map.json": bang},
        "special_tokens_map.json beside another padding": {"special_tokens_map.json": bang, "tokenizer_config.json": roles},
        "special_tokens_map.json beside added_tokens_decoder": {"special_tokens_map.json": bang, "tokenizer_config.json": current},
        "special_tokens_map.json beside an empty added_tokens_decoder": {
            "special_tokens_map.json": bang,
            "tokenizer_config.json": {**roles, "added_tokens_decoder": {}},
        },
        "a padding of tokenizer_config.json": {
            "special_tokens_map.json": roles,
            "tokenizer_config.json": {**bang, "added_tokens_decoder": {"0": added_token("!", normalized=False), **decoder}},
        },
        "a padding that added_tokens_decoder lacks": {"tokenizer_config.json": {**current, "pad_token": "!"}},
        "added_tokens.json": {"added_tokens.json": {"<sks>": size}, "tokenizer_config.json": roles},
        "added_tokens.json of a special token": {
            "added_tokens.json": {"<sks>": size},
            "tokenizer_config.json": {**roles, "additional_special_tokens": ["<sks>"]},
        },
        "added_tokens.json of a special token of special_tokens_map.json": {
            "added_tokens.json": {"<sks>": size},
            "special_tokens_map.json": {**bang, "additional_special_tokens": ["<sks>"]},
        },
        "added_tokens.json beside added_tokens_decoder": {"added_tokens.json": {"<sks>": size}, "tokenizer_config.json": current},
        "a token of the user in added_tokens_decoder": {
            "tokenizer_config.json": {**roles, "added_tokens_decoder": {**decoder, str(size): added_token("<sks>", special=False)}},
        },
        "a token of the user in tokenizer.json": {"tokenizer.json": [user], "tokenizer_config.json": roles},
        "a token of the user in tokenizer.json beside added_tokens_decoder": {"tokenizer.json": [user], "tokenizer_config.json": current},
    }


def variant(files: dict[str, object]) -> dict:
    """What transformers reads from sd15-tiny's vocabulary with such files. Of tokenizer.json a variant has its added tokens, in place of none."""
    source = store.ROOT / "sd15-tiny" / "tokenizer"
    with tempfile.TemporaryDirectory() as folder:
        for name in ["vocab.json", "merges.txt"]:
            shutil.copy(source / name, folder)
        for name, value in files.items():
            if name == "tokenizer.json":
                value = json.loads(CLIPTokenizer.from_pretrained(folder).backend_tokenizer.to_str()) | {"added_tokens": value}
            (Path(folder) / name).write_text(json.dumps(value))
        tokenizer = CLIPTokenizer.from_pretrained(folder)
    ids = [tokenizer(text).input_ids for text in PROBES]
    return {"vocabSize": len(tokenizer), "padId": tokenizer.pad_token_id, "ids": ids}


def write_variants() -> None:
    vocab = json.loads((store.ROOT / "sd15-tiny" / "tokenizer" / "vocab.json").read_text())
    lines = [json.dumps({"name": name, "files": files, **variant(files)}, separators=(",", ":")) for name, files in variants(vocab).items()]
    head = f' "probes": {json.dumps(PROBES)},\n "variants": [\n  '
    store.path("clip-tokenizer.json").write_text("{\n" + head + ",\n  ".join(lines) + "\n ]\n}\n")
    print(f"{len(lines)} other folders of a CLIP's tokenizer")


def write() -> None:
    write_variants()
    for checkpoint in CHECKPOINTS:
        tokenizer = load(checkpoint)
        cases = []
        for name, text in HARD.items():
            padded = tokenizer(text, padding="max_length", max_length=tokenizer.model_max_length, truncation=True).input_ids
            cases.append({"name": name, "text": text, "ids": padded})
        header = {
            "modelMaxLength": tokenizer.model_max_length,
            "vocabSize": len(tokenizer),
            "startId": tokenizer.bos_token_id,
            "endId": tokenizer.eos_token_id,
            "padId": tokenizer.pad_token_id,
        }
        lines = ",\n".join("  " + json.dumps(one, separators=(",", ":")) for one in cases)
        head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in header.items())
        store.path(f"tokenizer/{checkpoint}.json").write_text("{\n" + head + ' "cases": [\n' + lines + "\n ]\n}\n")
        print(f"{checkpoint}: {header}")
