"""A small SentencePiece model in T5's format, its folder in both published forms, and the ids transformers' T5Tokenizer gives.

The vocabulary is trained here by sentencepiece with `nmt_nfkc`. All of that rule set is 240 KB, so the stored model has only those of its
rules that some text below touches; that the texts come out the same with all of them is checked before anything is written.
"""

import base64
import io
import json
import struct
import tempfile
from pathlib import Path

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from transformers import T5Tokenizer

from . import store
from .tokenizers import TEXT

MAX_LENGTH = 32

# Each line is here because some tokenizer gets it wrong: see the names.
HARD = {
    "empty": "",
    "plain": "a photo of a cat",
    "capitals": "A Photo Of A CAT",
    "one space": " ",
    "spaces only": "     ",
    "leading and trailing spaces": "   a cat   ",
    "runs of spaces": "a  red   chair     by the lake",
    "newlines and tabs": "a\ncat\r\non\ta\t\tchair\n",
    "only newlines": "\n\n",
    "other spaces": "a\u00a0red\u2003chair\u3000by\u202fthe\u205flake\u1680x\u2028y\u2029z",
    "zero width": "a\u200bcat\u200con\u200da\u200echair\u200f\ufeffx",
    "next line and separators": "a\u0085cat\u000bon\u000ca\u001cchair\u001fx",
    "controls": "a\u0001b\u0007c\u0008d\u001be\u007ff\u008fg\u009fh\u0080i",
    "nul": "a\u0000b cat\u0000",
    "soft hyphen and joiner": "water\u00admark \u2060x",
    "replacement": "a \ufffd b\ufffdc \ufffe",
    "meta symbol": "\u2581a\u2581\u2581cat a\u2581",
    "fullwidth": "\uff41 \uff30\uff48\uff4f\uff54\uff4f \uff11\uff19\uff18\uff14\uff01\uff0c",
    "fullwidth tilde": "\uff5e ~ \u301c \uff5ea\uff5e",
    "halfwidth katakana": "\uff76\uff9e \uff8a\uff9f \uff71",
    "ligatures": "\ufb01ne \ufb02ower o\ufb03ce \ufb06 \u0133 \u01c4",
    "symbols": "snow\u2122 \u2120 \u00ae \u00a9 \u2116 \u2103 \u212b \u2126 \u33a2",
    "superscripts": "x\u00b2 + y\u00b3 = \u00bd \u2460 \u2163 \u1d2c \u2080",
    "dots and dashes": "a\u2026 b\u2014c \u2013 \u2010 \u2011 \u2012 \u2015 \u2212",
    "quotes": "\u201ccat\u201d \u2018dog\u2019 \u00ab x \u00bb \u2032 \u2033 it\u2019s it's",
    "accents composed": "caf\u00e9 na\u00efve \u00dcber \u0160koda",
    "accents combining": "cafe\u0301 nai\u0308ve U\u0308ber S\u030ckoda",
    "two marks": "a\u0301\u0302 a\u0302\u0301 \u00e1\u0302 o\u0328\u0304 a\u0323\u0302",
    "mark after a symbol": "\u00bd\u0302 \u00aa\u0301 \u2122\u0301 \ufb01\u0301 \u00b2\u20e3",
    "mark alone": "\u0301 a \u0308",
    "spacing accents": "\u00b4 \u00a8 \u00b8 \u02d8",
    "sharp s and dotted i": "stra\u00dfe \u1e9e \u0130 \u0131 \u017f",
    "greek": "\u039f\u03b4\u03cc\u03c2 \u1f84 \u03d0 \u00b5",
    "cjk": "\u4e00\u53ea\u732b sitting \u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
    "cjk compatibility": "\uf900 \u2f00 \u3231 \u3300 \u32d0",
    "hangul": "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab \u3131 \uffa1",
    "arabic and hebrew": "\u0642\u0637\u0629 \u05d7\u05ea\u05d5\u05dc \ufefb \ufdfa",
    "devanagari": "\u092c\u093f\u0932\u094d\u0932\u0940 \u0958",
    "thai": "\u0e41\u0e21\u0e27 \u0e33",
    "emoji": "a \U0001f600 cat \U0001f44d\U0001f3fd",
    "emoji sequences": "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f 1\ufe0f\u20e3 \U0001f1e9\U0001f1ea",
    "mathematical letters": "\U0001d400 \U0001d49c \U0001d7d8 \U0001f130",
    "unknown inside a word": "c\u2603at \u2603\u2603 ca\u2603\u2604t",
    "unknown at both ends": "\u2603cat\u2603",
    "digits": "1984 in 4k, 3.14159 x2",
    "contractions": "it's she's they're we've i'm he'll can't he'd",
    "punctuation": 'a cat, a dog; (a [bird]) -- "quoted" & <b>bold</b>!?...',
    "html entities": "cats &amp; dogs &lt;3",
    "underscore and hyphen": "snake_case kebab-case __init__ a--b",
    "literal end": "a cat</s>a dog </s> x",
    "literal unknown": "a <unk> cat<unk><unk>x",
    "literal padding": "<pad> a cat <pad>",
    "literal fullwidth end": "\uff1c/s\uff1e \uff1cunk\uff1e \uff1c\uff50ad\uff1ea",
    "sentinels": "a <extra_id_0> cat <extra_id_1>on<extra_id_99>",
    "sentinel and full stop": "<extra_id_0>. a",
    "sentinel that is none": "<extra_id_100> <extra_id_00> <EXTRA_ID_0> <extra_id_ 0>",
    "sentinel fullwidth": "\uff1cextra_id_5\uff1e x",
    "sentinel and mark": "<extra_id_3>\u0301 x",
    "sentencepiece controls": "<s> <mask> [PAD] <0x0A>",
    "mixed scripts": "catko\u0448ka\u732b42",
    "long word": "antidisestablishmentarianism" * 2,
    "long": "a painting of a small house by the lake, " * 6,
    "long unknown": "\u732b" * 80,
    "exactly filled": " ".join(["a"] * (MAX_LENGTH - 1)),
    "one too many": " ".join(["a"] * MAX_LENGTH),
}

PROBES = ["a <extra_id_0>b", "\uff1cextra_id_0\uff1e a", "a<sks>b \uff1csks\uff1e x", "<style>a", "a </s>. b", "<extra_id_5>", "<pad>"]


def train() -> bytes:
    """The model with T5's special pieces and all of nmt_nfkc."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.split("\n")),
        model_writer=out,
        model_type="unigram",
        vocab_size=300,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        character_coverage=1.0,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def rules_in(charsmap: bytes, text: str) -> dict[str, str]:
    """The rules that begin anywhere in a text: a walk through the double array of Darts, from each place."""
    (size,) = struct.unpack_from("<I", charsmap)
    nodes = struct.unpack_from(f"<{size // 4}I", charsmap, 4)
    texts = charsmap[4 + size :]
    offset = lambda unit: (unit >> 10) << ((unit & 0x200) >> 6)
    found = {}
    for place in range(len(text)):
        key = text[place:].encode()
        at = offset(nodes[0])
        for length, byte in enumerate(key, 1):
            at ^= byte
            if byte == 0 or nodes[at] & 0x800000FF != byte:
                break
            leaf = nodes[at] >> 8 & 1
            at ^= offset(nodes[at])
            if leaf:
                start = nodes[at] & 0x7FFFFFFF
                found[key[:length].decode()] = texts[start : texts.index(0, start)].decode()
    return found


def compile_rules(rules: dict[str, str]) -> bytes:
    """The same rules as a charsmap of sentencepiece's own making."""
    points = lambda text: " ".join(f"{ord(character):X}" for character in text)
    with tempfile.TemporaryDirectory() as folder:
        table, prefix = Path(folder) / "rules.tsv", Path(folder) / "model"
        table.write_text("".join(f"{points(key)}\t{points(value)}\n" for key, value in sorted(rules.items())))
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["a b c"]), model_prefix=str(prefix), vocab_size=8, hard_vocab_limit=False, normalization_rule_tsv=str(table), minloglevel=2
        )
        return parse(prefix.with_suffix(".model").read_bytes()).normalizer_spec.precompiled_charsmap


def parse(model: bytes):
    message = sentencepiece_model_pb2.ModelProto()
    message.ParseFromString(model)
    return message


def added_token(content: str, strips: bool = False, normalized: bool = False) -> dict:
    """As `added_tokens_decoder` lists it. The sentinels of the slow T5Tokenizer, which wrote the published folders, strip both sides."""
    return {"content": content, "lstrip": strips, "normalized": normalized, "rstrip": strips, "single_word": False, "special": not normalized}


def compact(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, separators=(",", ":")) + "\n")


def tokenizer_of(model: bytes, files: dict[str, object]) -> T5Tokenizer:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "spiece.model").write_bytes(model)
        for name, value in files.items():
            compact(Path(folder) / name, value)
        return T5Tokenizer.from_pretrained(folder)


def padded(tokenizer: T5Tokenizer, text: str) -> list[int]:
    return tokenizer(text, padding="max_length", max_length=MAX_LENGTH, truncation=True).input_ids


def unpadded(tokenizer: T5Tokenizer, text: str) -> list[int]:
    return tokenizer(text).input_ids


def variants(size: int) -> dict[str, dict[str, object]]:
    """Folders that differ from the stored one in the files beside spiece.model, each by something that changes ids or could."""
    sentinels = [f"<extra_id_{i}>" for i in range(3)]
    ids = {token: size + 2 - i for i, token in enumerate(sentinels)}
    decoder = {"1": added_token("</s>")}
    roles = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    few = {**roles, "extra_ids": 3}
    return {
        "spiece.model alone": {},
        "legacy": {"tokenizer_config.json": {"legacy": True, "extra_ids": 100}},
        "not legacy": {"tokenizer_config.json": {"legacy": False, "extra_ids": 100}},
        "three sentinels": {"tokenizer_config.json": {"extra_ids": 3}},
        "no sentinels": {"tokenizer_config.json": {"extra_ids": 0}},
        "sentinels of added_tokens.json": {"added_tokens.json": ids, "tokenizer_config.json": few},
        "sentinels of added_tokens.json that are special": {
            "added_tokens.json": ids,
            "tokenizer_config.json": {**few, "additional_special_tokens": sentinels},
        },
        "special_tokens_map.json": {
            "added_tokens.json": ids,
            "special_tokens_map.json": {
                **{role: {key: value for key, value in added_token(token, normalized=True).items() if key != "special"} for role, token in roles.items()},
                "additional_special_tokens": sentinels,
            },
            "tokenizer_config.json": few,
        },
        "special_tokens_map.json beside added_tokens_decoder": {
            "special_tokens_map.json": {**roles, "pad_token": "</s>"},
            "tokenizer_config.json": {**few, "added_tokens_decoder": decoder},
        },
        "another padding": {"special_tokens_map.json": {**roles, "pad_token": "</s>"}},
        "a token of the user": {
            "tokenizer_config.json": {**few, "added_tokens_decoder": {**decoder, str(size + 3): added_token("<sks>", normalized=True)}}
        },
        "a special token of the user": {
            "tokenizer_config.json": {**few, "added_tokens_decoder": {**decoder, str(size + 3): added_token("<sks>")}}
        },
        "a new special token without an id": {"tokenizer_config.json": {**few, "additional_special_tokens": [*sentinels, "<style>"]}},
        "no sentinels listed": {"tokenizer_config.json": {**few, "extra_special_tokens": []}},
    }


def write() -> None:
    whole = train()
    every = {}
    for text in [TEXT, *HARD.values(), *PROBES]:
        every |= rules_in(parse(whole).normalizer_spec.precompiled_charsmap, text)
    message = parse(whole)
    message.normalizer_spec.precompiled_charsmap = compile_rules(every)
    model = message.SerializeToString(deterministic=True)
    size = len(message.pieces)

    # As PixArt's folder has it: what the slow T5Tokenizer of transformers 4.34 saved.
    folder = store.path("t5-tokenizer/spiece/spiece.model").parent
    (folder / "spiece.model").write_bytes(model)
    sentinels = [f"<extra_id_{i}>" for i in range(100)]
    roles = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    named = {str(i): added_token(token) for i, token in enumerate(["<pad>", "</s>", "<unk>"])}
    last = {str(size + i): added_token(token, strips=True) for i, token in enumerate(reversed(sentinels))}
    config = {"added_tokens_decoder": {**named, **last}, "additional_special_tokens": sentinels, "clean_up_tokenization_spaces": True, **roles}
    compact(folder / "tokenizer_config.json", {**config, "extra_ids": 100, "legacy": True, "model_max_length": 512, "sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer"})
    tokenizer = T5Tokenizer.from_pretrained(folder)

    # As transformers 5 saves it, without the indentation.
    target = store.path("t5-tokenizer/json/tokenizer.json").parent
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save_pretrained(saved)
        for name in ["tokenizer.json", "tokenizer_config.json"]:
            compact(target / name, json.loads((Path(saved) / name).read_text()))
    of_json = T5Tokenizer.from_pretrained(target)
    of_whole = tokenizer_of(whole, {})
    processor = sentencepiece.SentencePieceProcessor(model_proto=whole)

    cases, differing = [], []
    for name, text in HARD.items():
        ids = padded(tokenizer, text)
        for what, other in {"tokenizer.json": of_json, "the whole charsmap": of_whole}.items():
            if padded(other, text) != ids:
                raise ValueError(f"{name!r}: {what} gives {padded(other, text)}, spiece.model {ids}")
        if unpadded(tokenizer, text) != [*processor.encode(text), 1]:
            differing.append(name)
        kept = tokenizer(text, max_length=MAX_LENGTH, truncation=True).input_ids
        if [*kept, *[tokenizer.pad_token_id] * (MAX_LENGTH - len(kept))] != ids:
            raise ValueError(f"{name!r}: padded {ids}, not padded {kept}")
        cases.append({"name": name, "text": text, "ids": kept})
    header = {
        "maxLength": MAX_LENGTH,
        "vocabSize": len(tokenizer),
        "endId": tokenizer.eos_token_id,
        "padId": tokenizer.pad_token_id,
        "unknownId": tokenizer.unk_token_id,
        "differFromSentencepiece": differing,
    }
    folders = []
    for name, files in variants(size).items():
        one = tokenizer_of(model, files)
        folders.append({"name": name, "files": files, "padId": one.pad_token_id, "vocabSize": len(one), "ids": [unpadded(one, text) for text in PROBES]})
    lines = lambda rows: ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in rows)
    head = "".join(f" {json.dumps(key)}: {json.dumps(value)},\n" for key, value in header.items())
    store.path("t5-tokenizer/ids.json").write_text(
        "{\n" + head + ' "cases": [\n' + lines(cases) + '\n ],\n "probes": ' + json.dumps(PROBES) + ',\n "variants": [\n' + lines(folders) + "\n ]\n}\n"
    )
    print(f"{header}, {len(every)} rules, {len(base64.b64encode(message.normalizer_spec.precompiled_charsmap))} characters of them")
