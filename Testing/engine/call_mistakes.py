"""Mistakes with the options, with a model, and with the place of the result."""

from Testing.engine.bad_files import as_file, copied_model, flair, flip_a_byte, newer, pickled, zipped
from Testing.engine.mistake import Mistake

from MSLesionSegLib.bundle_files import SUMS
from MSLesionSegLib.model_store import default_model

CALL_MISTAKES = [
    Mistake(
        "threshold too high",
        lambda f: [*flair(f), "--threshold", "1.5"],
        2,
        "The threshold must be above 0 and at most 1, not 1.5.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold zero",
        lambda f: [*flair(f), "--threshold", "0"],
        2,
        "The threshold must be above 0 and at most 1, not 0.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold not a number",
        lambda f: [*flair(f), "--threshold", "nan"],
        2,
        "The threshold must be above 0 and at most 1, not nan.",
        "A usual value lies between 0.3 and 0.7.",
    ),
    Mistake(
        "threshold a word",
        lambda f: [*flair(f), "--threshold", "high"],
        2,
        "Invalid value for '--threshold': Input should be a valid number, unable to parse string as a number.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "negative size",
        lambda f: [*flair(f), "--min-volume", "-1"],
        2,
        "The minimum lesion size must be 0 mm3 or more, not -1.",
        "The usual value is 3.",
    ),
    Mistake(
        "size infinite",
        lambda f: [*flair(f), "--min-volume", "inf"],
        2,
        "The minimum lesion size must be 0 mm3 or more, not inf.",
        "The usual value is 3.",
    ),
    Mistake(
        "unknown device",
        lambda f: [*flair(f), "--device", "tpu"],
        2,
        "Invalid value for '--device': 'tpu' is not one of 'auto', 'cpu', 'cuda'.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "unknown option",
        lambda f: [*flair(f), "--t3", "x"],
        2,
        "No such option: --t3 (Possible options: --out, --t1, --t2).",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "no FLAIR",
        lambda f: [],
        2,
        "Missing option '--flair'.",
        "'mslesionseg segment --help' lists what can be given.",
    ),
    Mistake(
        "model unknown",
        lambda f: [*flair(f), "--model", "no-such"],
        4,
        "There is no lesion model 'no-such'.",
        "Known models: ",
    ),
    Mistake(
        "model is a checkpoint",
        lambda f: [*flair(f), "--model", str(as_file("w.pt", b"PK" + bytes(90))(f)[1])],
        4,
        "FOLDER/w.pt is neither a bundle folder nor a zip of one.",
        "Name a bundle folder or a zip of one.",
    ),
    Mistake(
        "model is an empty folder",
        lambda f: (f / "m").mkdir() or [*flair(f), "--model", str(f / "m")],
        4,
        "The model FOLDER/m cannot be used: model.json is missing (and 3 more).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model damaged",
        copied_model(flip_a_byte),
        4,
        "The model FOLDER/model cannot be used: weights.safetensors is damaged: its SHA-256 is not "
        "the one in SHA256SUMS.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model without card",
        copied_model(lambda m: (m / "MODEL_CARD.md").unlink()),
        4,
        "The model FOLDER/model cannot be used: MODEL_CARD.md is missing.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model without sums",
        copied_model(lambda m: (m / SUMS).unlink()),
        4,
        "The model FOLDER/model cannot be used: SHA256SUMS is missing.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model with a stranger's sums",
        copied_model(lambda m: (m / SUMS).write_text("0" * 64 + "  model.json\n")),
        4,
        "The model FOLDER/model cannot be used: MODEL_CARD.md is not listed in SHA256SUMS (and 3 more).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model with a pickle",
        copied_model(lambda m: (m / "extra.pkl").write_bytes(b"x")),
        4,
        "The model FOLDER/model cannot be used: extra.pkl may hold pickled objects, which are "
        "never opened; weights are safetensors.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model pickled",
        copied_model(pickled),
        4,
        "The weights of the model FOLDER/model are not safetensors: they are pickled, which is never opened.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model newer",
        copied_model(newer),
        4,
        "The model FOLDER/model cannot be used: it has format 99, newer than this program's 1; update MSLesionSeg.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "model for brains",
        lambda f: [*flair(f), "--model", str(default_model("brain"))],
        4,
        "The model BRAIN_MODEL is a brain model; a lesion model is needed.",
        "Name another model.",
    ),
    Mistake(
        "zip that climbs out",
        zipped(("../model.json", b"{}")),
        4,
        "The model FOLDER/model.zip is not safe to unpack: it holds the path '../model.json'.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip with an absolute path",
        zipped(("/etc/model.json", b"{}")),
        4,
        "The model FOLDER/model.zip is not safe to unpack: it holds the path '/etc/model.json'.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip without a model",
        zipped(("readme.txt", b"hello")),
        4,
        "The model FOLDER/model.zip cannot be used: readme.txt does not belong into a bundle "
        "(model.json, weights.safetensors, MODEL_CARD.md, network.onnx, SHA256SUMS).",
        "Fetch or export the model again.",
    ),
    Mistake(
        "zip that is none",
        lambda f: [*flair(f), "--model", str(as_file("m.zip", b"no zip" * 50)(f)[1])],
        4,
        "The model FOLDER/m.zip is not a readable zip file: File is not a zip file.",
        "Fetch or export the model again.",
    ),
    Mistake(
        "result is a file",
        lambda f: [*flair(f), "--out", str(f / "f.nii.gz")],
        5,
        "FOLDER/f.nii.gz is a file, not a folder.",
        "Name a new or an empty folder.",
    ),
    Mistake(
        "result is the study",
        lambda f: [*flair(f), "--out", str(f)],
        5,
        "FOLDER holds files that are not a result of this program, such as f.nii.gz.",
        "Name a new or an empty folder.",
    ),
    Mistake(
        "result under a file",
        lambda f: [*flair(f), "--out", str(f / "f.nii.gz" / "result")],
        5,
        "The result cannot be written to FOLDER/f.nii.gz/result: not a directory.",
        "Free some room, or name a folder that you may write to.",
    ),
]
