"""The command line: what it understands, and the one sentence that it rejects the rest with."""

import contextlib
from itertools import product

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from lrstudy.cli.command_line import parse
from lrstudy.cli.unknown_parameters import similar_settings
from lrstudy.data import check_name
from lrstudy.errors import LearningRateStudyError, SettingsError
from lrstudy.formatting import format_setting, printable
from lrstudy.settings import CommonSettings, GridSettings, SearchSettings, TrainSettings
from lrstudy.study.trial import planned
from lrstudy.training.setup import build

REJECTED = {
    "--lr 0": ["lr='0' must be", "greater than 0"],
    "--lr -1": ["lr='-1' must be", "greater than 0"],
    "--lr -1e-3": ["lr='-1e-3' must be", "greater than 0"],
    "--lr nan": ["lr='nan' must be", "finite number"],
    "--lr inf": ["lr='inf' must be", "finite number"],
    "--lr abc": ["lr='abc' must be", "number"],
    "--lr 1e39": ["lr='1e39' must be", "at most 1e+30"],
    "--lr": ["--lr", "needs a value"],
    "--epochs 0": ["epochs='0' must be", "at least 1"],
    "--epochs 1.5": ["epochs='1.5' must be", "whole number"],
    "--batch_size 0": ["batch_size='0' must be", "at least 1"],
    "--hidden 256,,64": ["hidden='256,,64' must be", "separated by commas"],
    "--hidden 0": ["hidden='0' must be", "at least 1"],
    "--hidden=": ["hidden='' must be", "one or more"],
    "--optimizer adm": ["optimizer='adm' is not a known optimizer; did you mean 'adam'"],
    "--optimizer xyz": ["optimizer='xyz' is not a known optimizer", "'sgd', 'rmsprop', 'adagrad', 'adam'"],
    "--model resnet19": ["model='resnet19' is not a known network; did you mean 'resnet18'"],
    "--image_size 5000": ["image_size='5000' must be", "at most 1024"],
    "--device gpu": ["device='gpu' must be", "'auto', 'cpu', 'cuda'"],
    "--fit stretch": ["fit='stretch' must be", "'pad' or 'crop'"],
    "--threads 0": ["threads='0' must be", "'auto' or a whole number", "at least 1"],
    "--weight_decay -1": ["weight_decay='-1' must be", "'auto' or a finite number", "at least 0"],
    "--momentum 0.9": ["momentum='0.9' has no effect on adam", "optimizer='sgd' or 'rmsprop'"],
    "--momentum 1 --optimizer sgd": ["momentum='1' must be", "less than 1"],
    "--seed -1": ["seed='-1' must be", "at least 0"],
    "--data=": ["data='' must not be empty"],
    "--lr --epochs 3": ["--lr needs a value, such as 0.001"],
    "--batch-size": ["--batch_size needs a value, such as 256"],
    "--lr 0.1,0.01": ["lr='0.1,0.01' has several values", "a grid several, as lrs=0.1,0.01"],
    "--lr 0.1;0.01": ["a grid several, as lrs=0.1,0.01"],
    "--lr 0,001": ["lr='0,001' must have a decimal point; did you mean lr=0.001?"],
    "--optimizer adam,sgd": ["optimizer='adam,sgd' has several values", "a grid several, as optimizers=adam,sgd"],
    "--seed 0,1,2": ["seed='0,1,2' has several values; a grid takes their number, as seeds=3"],
    "--hidden [256,128]": ["must have commas between its values; did you mean hidden=256,128?"],
    "--hidden 256;128": ["hidden='256;128' must be one or more values separated by commas", "as hidden=256,128,64"],
    "--x 1": ["'--x=1' is not a known parameter", "'lr'"],
    "--learning-rate 1": ["'--learning-rate=1' is not a known parameter; did you mean 'lr'?"],
    "lr=0.1": ["'lr=0.1' is not a known parameter; did you mean '--lr=0.1'?"],
    "-lr 0.1": ["'-lr' is not a known parameter; did you mean '--lr'?"],
    "--lrs 0.1": ["'--lrs=0.1' is a parameter of the entry point grid, and not of this one; did you mean 'lr'?"],
    "--workers 2": ["of the entry points grid, search and decide, and not of this one; did you mean 'threads'?"],
    "--trials 3": ["'--trials=3' is a parameter of the entry point search, and not of this one."],
    "stray": ["'stray' is not a known parameter"],
}


@pytest.mark.parametrize(("typed", "parts"), REJECTED.items())
def test_a_bad_setting_is_rejected_in_one_sentence_with_its_value_and_what_is_right(
    typed: str, parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as rejected:
        parse(TrainSettings, typed.split())
    sentence = str(rejected.value)
    assert all(part in sentence for part in parts), sentence
    assert "\n" not in sentence
    assert sentence[-1] in ".?"


@pytest.mark.parametrize(
    ("name", "meant"),
    {
        "lr": "learning_rate learning-rate learningRate LR lr_rate lrs rate learnin_rate",
        "batch_size": "batchsize BATCH-SIZE batch bs",
        "epochs": "epoch n_epochs num_epochs Epochs",
        "optimizer": "optimiser optimizers Optimizer optim",
        "model": "net arch network",
        "data": "dataset data_dir",
        "weight_decay": "wd wieght_decay",
        "seed": "random_seed",
    }.items(),
)
def test_names_of_other_programs_and_typos_suggest_the_setting(name: str, meant: str) -> None:
    suggested = {word: similar_settings(word, list(TrainSettings.model_fields)) for word in meant.split()}
    assert suggested == {word: [name] for word in meant.split()}


def test_a_name_suggests_what_the_command_has_for_it() -> None:
    for kind, names in ((GridSettings, ["lrs"]), (SearchSettings, ["low", "high"])):
        assert similar_settings("lr", list(kind.model_fields)) == names
    assert similar_settings("workers", list(TrainSettings.model_fields)) == ["threads"]
    assert similar_settings("x", list(TrainSettings.model_fields)) == []


def test_two_unknown_names_are_both_reported() -> None:
    with pytest.raises(SettingsError, match=r"did you mean 'batch_size'\?\n.* did you mean 'epochs'\?"):
        parse(TrainSettings, ["--bs", "8", "--epoch", "3"])


@pytest.mark.parametrize("typed", ["0.1 0.01", "[0.1, 0.01]", "0.1  0.01"])
def test_a_list_with_other_separators_is_shown_with_commas(typed: str) -> None:
    with pytest.raises(SettingsError, match=r"must have commas between its values; did you mean lrs=0\.1,0\.01\?"):
        parse(GridSettings, ["--lrs", typed])
    with pytest.raises(SettingsError, match=r"such as lrs=0\.1,0\.01,0\.001"):
        parse(GridSettings, ["--lrs", "fast"])


def test_a_bad_item_of_a_list_is_named() -> None:
    with pytest.raises(
        SettingsError, match="optimizers='sgd,adm': 'adm' is not a known optimizer; did you mean 'adam'"
    ):
        parse(GridSettings, ["--optimizers", "sgd,adm"])


def test_two_bad_settings_are_both_named() -> None:
    with pytest.raises(SettingsError, match=r"epochs='0' must be .*\nlr='0' must be "):
        parse(TrainSettings, ["--lr", "0", "--epochs", "0"])


def test_numbers_are_understood_however_they_are_typed() -> None:
    spellings = ["0.001", "1e-3", ".001", "1E-3", "0.1e-2"]
    assert {parse(TrainSettings, ["--lr", text]).lr for text in spellings} == {0.001}


def test_an_option_is_understood_with_dashes_underscores_and_an_equals_sign() -> None:
    spellings = [["--batch-size", "8"], ["--batch_size", "8"], ["--batch-size=8"], ["--batch_size=8"]]
    assert {parse(TrainSettings, arguments).batch_size for arguments in spellings} == {8}


def test_an_option_is_not_guessed_from_its_beginning() -> None:
    with pytest.raises(SettingsError, match="'--epoch=3' is not a known parameter; did you mean 'epochs'"):
        parse(TrainSettings, ["--epoch", "3"])


@given(st.lists(st.integers(1, 65536), min_size=1, max_size=8))
def test_hidden_takes_any_list_of_layer_sizes(sizes: list[int]) -> None:
    assert parse(TrainSettings, ["--hidden", ", ".join(map(str, sizes))]).hidden == tuple(sizes)


@given(st.sampled_from(list(TrainSettings.model_fields)), st.text(max_size=20))
@hypothesis_settings(deadline=None)  # the first text for `model` imports torchvision
def test_any_text_for_any_parameter_is_taken_or_rejected_in_words(name: str, text: str) -> None:
    with contextlib.suppress(SettingsError):
        assert isinstance(parse(TrainSettings, [f"--{name}", text]), TrainSettings)


NASTY = (
    *("", " ", ",", ";", ",,", "1,", "8;", "8;;8", "-", "--", "=", "--lr", "nan", "-inf", "1e999", "-1e999", "1e-999"),
    *("5e-324", "-0", "1_000", "0x10", "٣", "１２", "+5", " 5 ", "5\n", "1.5", "9" * 5000, "1" * 300, "a" * 10**5),
    *(
        "1," * 4000 + "1",
        "None",
        "true",
        "all",
        "auto",
        "\n",
        "\r",
        "\x1b[31m",
        "\u202e",
        "\udcff",
        "👩‍👧 🙂",
        "%s {0}",
    ),
    *(
        "~nobody-of-this-name/x",
        "/",
        ".",
        "..",
        "/dev/zero",
        "cuda:٣",
        "cuda:" + "9" * 30,
        "mps\n",
        "4294967296",
        "1e30",
    ),
)


@pytest.mark.parametrize("kind", [TrainSettings, GridSettings, SearchSettings])
def test_nasty_text_for_any_parameter_is_a_right_setting_or_one_printable_sentence(kind: type[CommonSettings]) -> None:
    taken = 0
    for name, text in product([*kind.model_fields, "no parameter"], NASTY):
        try:
            found = parse(kind, [f"--{name}", text])
            check_name(found.data)
            assert found == parse(kind, [f"--{name}={text}"])
            assert len(format_setting(getattr(found, name))) <= 6000
            examples(found)
            taken += 1
        except LearningRateStudyError as error:
            sentence = str(error)
            assert printable(sentence) == sentence
            assert len(sentence) < 1500 or name in ("model", "data"), sentence  # of long names and many
            assert sentence[-1] in ".?"
    assert taken > 50


def examples(found: CommonSettings) -> list[TrainSettings]:
    """Return settings of trainings of a study, which are created before it begins."""
    if isinstance(found, GridSettings):
        return found.cells()
    return found.examples() if isinstance(found, SearchSettings) else []


def test_an_unknown_home_folder_is_rejected() -> None:
    for kind, name in ((TrainSettings, "data_root"), (GridSettings, "study_file")):
        with pytest.raises(SettingsError, match=f"{name}='~no-such-user/x' names the home folder of an unknown user"):
            parse(kind, [f"--{name}", "~no-such-user/x"])


def test_a_rate_that_a_cpu_takes_for_0_is_rejected_as_0_is_and_such_a_weight_decay_is_0() -> None:
    with pytest.raises(SettingsError, match="lr='5e-324' must be a finite number greater than 0"):
        parse(TrainSettings, ["--lr", "5e-324"])
    assert parse(TrainSettings, ["--weight_decay", "1e-310"]).weight_decay == 0


@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_network_beyond_this_machines_memory_is_rejected_before_it_is_made(model: str) -> None:
    plan = planned(TrainSettings(model=model, hidden=(65536,) * 200))
    with pytest.raises(SettingsError, match=r"hidden='65536,.*' .* takes 9,\d\d\d GiB .* images of 8×8 pixels"):
        build(plan)
