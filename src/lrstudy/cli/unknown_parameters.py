"""The error about a parameter that a command does not have, and the parameter that the user may have meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import BaseModel

from lrstudy.formatting import join_and, join_or, quote
from lrstudy.settings.mlproject import ENTRY_POINTS

# A word processor turns two dashes into a longer one.
DASHES = "-–—"
# The names of a setting in all commands, and its names in other programs, in lower case without dashes and underscores.
SYNONYMS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("lr", "lrs", "low", "high"),
        "learningrate learningrates learnrate lrrate rate baselr initlr initiallr eta",
    ),
    (("low",), "minlr lrmin lowlr lrlow lower lowest minlearningrate"),
    (("high",), "maxlr lrmax highlr lrhigh upper highest maxlearningrate"),
    (("optimizer", "optimizers"), "optimiser optimisers optim opt algorithm solver"),
    (("epochs",), "epoch nepoch nepochs numepochs maxepochs ep iterations iters"),
    (("batch_size",), "bs batch minibatch minibatchsize trainbatchsize batchsizes"),
    (("data",), "dataset datasets datadir datapath datasetpath folder images imagefolder traindir input"),
    (("data_root",), "root downloaddir cachedir"),
    (("model",), "net network arch architecture backbone modelname"),
    (("hidden",), "layers hiddenlayers hiddensize hiddensizes units neurons width"),
    (("image_size",), "imgsize imgsz size resolution inputsize resize side"),
    (("weight_decay",), "wd decay l2"),
    (("seed", "seeds"), "randomseed randomstate manualseed nseeds numseeds repeats repetitions"),
    (("device",), "gpu gpus cuda cpu accelerator"),
    (("workers", "threads"), "numworkers nworkers njobs jobs parallel processes numthreads nthreads cores"),
    (("trials",), "ntrials numtrials budget evaluations"),
    (("run_id",), "run id runuuid"),
    (("experiment",), "experimentname experimentid"),
    (("study",), "studyid studyname"),
    (("table",), "csv csvfile file runs runsfile"),
    (("delta",), "tolerance margin difference"),
    (("confidence",), "confidencelevel conf alpha level"),
    (("out",), "o output outdir outputdir"),
)
MIN_SIMILARITY = 0.75


def unknown_parameter(settings: type[BaseModel], text: str) -> str:
    """Return the error about an argument, such as `--learning-rate=0.1`, that names none of the `settings`."""
    name, equals, value = text.lstrip(DASHES).partition("=")
    known = list(settings.model_fields)
    similar = similar_settings(name, known)
    # The suggestion is an option if the argument does not have the form of one.
    names = similar if text.startswith("--") else [f"--{setting}{equals}{value}" for setting in similar]
    elsewhere = [point for point, (_, other) in ENTRY_POINTS.items() if name.replace("-", "_") in other.model_fields]
    if elsewhere and name.replace("-", "_") not in known:
        points = f"entry point{'s' * (len(elsewhere) > 1)} {join_and(elsewhere)}"
        hint = f"; did you mean {join_or([*map(quote, names)])}?" if names else "."
        return f"{quote(text)} is a parameter of the {points}, and not of this one{hint}"
    hint = f"did you mean {join_or([*map(quote, names)])}?" if names else f"it must be {join_or([*map(quote, known)])}."
    return f"{quote(text)} is not a known parameter; {hint}"


def similar_settings(name: str, known: Sequence[str]) -> list[str]:
    """Return the settings among `known` that a user may have meant by `name`; an empty list if none is similar."""
    key = _key(name)
    by_key = {_key(setting): setting for setting in known}
    if key in by_key:
        return [by_key[key]]
    meanings = {setting: [setting] for setting in by_key}
    for settings, words in SYNONYMS:
        for word in (*settings, *words.split()):
            meanings.setdefault(_key(word), []).extend(setting for setting in settings if setting in known)
    matches = [key] if meanings.get(key) else get_close_matches(key, [*meanings], n=3, cutoff=MIN_SIMILARITY)
    return list(dict.fromkeys(by_key.get(setting, setting) for match in matches for setting in meanings[match]))


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
