"""Suggestions for names of settings that are not known: other spellings, and the names that other programs use."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches

# Settings with one meaning in different commands, and the names that other programs use for it, in lower case and
# without dashes and underscores.
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
    (("out",), "o output outdir outputdir"),
)
MIN_SIMILARITY = 0.75


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
