"""Files of one group, such as the photographs of one person, are never in two splits."""

from pathlib import Path

import numpy as np
import pytest

from lrstudy.cli.command_line import parse
from lrstudy.data import load
from lrstudy.data.grouping import Groups, group_files, spanning_groups
from lrstudy.data.splitting import Labelling, missing_classes, split
from lrstudy.errors import DataError, SettingsError
from lrstudy.settings import TrainSettings


def numbers(paths: list[str], pattern: str) -> list[int]:
    return list(map(int, group_files(paths, pattern)[0].numbers))


class TestThePattern:
    def test_groups_the_names_with_the_same_match(self) -> None:
        assert numbers(["cat/ann_1.png", "dog/bob_1.png", "dog/ann_2.png"], "^[^_]+") == [0, 1, 0]

    def test_compares_all_capture_groups_if_it_has_some(self) -> None:
        names = ["x/p1-left-03.png", "x/p1-left-04.png", "x/p1-right-03.png"]
        assert numbers(names, r"p(\d+)-(left|right)-\d+") == [0, 0, 1]
        assert numbers(names, r"p(\d+)-(?:left|right)-\d+") == [0, 0, 0]

    def test_is_searched_in_the_path_if_it_has_a_slash(self) -> None:
        paths = ["cat/ann/1.png", "cat/bob/1.png", "dog/ann/2.png"]
        assert numbers(paths, "/([^/]+)/") == [0, 1, 0]
        with pytest.raises(DataError, match=r"groups='ann' matches no file name, such as '1.png'; a pattern with a sl"):
            group_files(paths, "ann")

    def test_makes_a_group_of_each_file_without_a_match_and_warns(self) -> None:
        groups, warnings = group_files(["a/p1.png", "a/x.png", "a/y.png", "a/p1.jpg"], r"p\d")
        assert groups.numbers.tolist() == [0, 1, 2, 0]
        assert warnings == [r"2 of 4 files, such as 'a/x.png', do not match groups='p\d' and are groups of their own"]

    def test_that_is_not_a_regular_expression_is_rejected(self) -> None:
        with pytest.raises(SettingsError, match=r"groups='\(' is not a regular expression: missing \)"):
            parse(TrainSettings, ["--groups", "("])
        with pytest.raises(SettingsError, match="is not a regular expression: Possible nested set"):
            parse(TrainSettings, ["--groups", "[[a]"])

    def test_has_no_effect_on_a_named_data_set_and_is_rejected(self, tmp_path: Path) -> None:
        for name, value in (("groups", "x"), ("layout", "classes")):
            with pytest.raises(DataError, match=f"{name}='{value}' has no effect on data='digits'"):
                load(
                    "digits",
                    data_root=tmp_path,
                    image_size=0,
                    fit="pad",
                    bad_images="error",
                    split_seed=0,
                    **{name: value},
                )


def grouped(groups: list[int], labels: list[int], splits: list[str] | None = None) -> Labelling:
    return Labelling(
        np.array(labels), np.array(splits or [""] * len(labels)), ("a", "b"), Groups("g", np.array(groups))
    )


class TestTheSplit:
    @pytest.mark.parametrize("seed", range(3))
    def test_keeps_groups_together_near_its_shares_with_every_class(self, seed: int) -> None:
        labelling = grouped([row // 5 for row in range(300)], [row // 5 % 2 for row in range(300)])
        splits = split(labelling, seed, "made")
        assert sorted(np.concatenate(list(splits.values()))) == list(range(300))
        of_group = [{row // 5 for row in rows} for rows in splits.values()]
        assert sum(map(len, of_group)) == 60
        assert [round(len(rows) / 300, 1) for rows in splits.values()] == [0.7, 0.1, 0.1]
        assert all(0.3 < np.mean(labelling.labels[rows]) < 0.7 for rows in splits.values())

    def test_changes_with_the_seed_alone(self) -> None:
        labelling = grouped([row // 5 for row in range(300)], [row // 5 % 2 for row in range(300)])
        first, again, other = (split(labelling, seed, "made")["test"].tolist() for seed in (0, 0, 1))
        assert first == again != other

    def test_of_a_large_group_does_not_hold_it_out(self) -> None:
        splits = split(grouped([0] * 80 + list(range(1, 21)), [0, 1] * 50), 0, "made")
        assert set(range(80)) <= set(splits["train"].tolist())

    def test_of_as_many_groups_as_splits_has_one_each(self) -> None:
        splits = split(grouped([0, 0, 1, 1, 2, 2], [0, 1] * 3), 0, "made")
        assert [len(rows) for rows in splits.values()] == [2, 2, 2]

    @pytest.mark.parametrize(("groups", "count"), [([0] * 8, "1 group"), ([0, 1] * 4, "2 groups")])
    def test_of_fewer_groups_is_rejected(self, groups: list[int], count: str) -> None:
        with pytest.raises(DataError, match=f"groups='g' makes {count} of the images to split; 3 or more are needed"):
            split(grouped(groups, [0, 1] * 4), 0, "made")

    def test_of_a_class_in_one_group_keeps_it_in_training_and_reports_where_it_is_missing(self) -> None:
        labelling = grouped([0] * 6 + list(range(1, 19)), [1] * 6 + [0] * 18)
        splits = split(labelling, 0, "made")
        assert set(range(6)) <= set(splits["train"].tolist())
        assert list(missing_classes(labelling.labels, splits, labelling.classes)) == [
            "the validation split has no images of the class 'b'",
            "the test split has no images of the class 'b'",
        ]

    def test_of_many_groups_is_fast(self) -> None:
        labelling = grouped(list(range(30_000)), [0, 1] * 15_000)
        splits = split(labelling, 0, "made")
        assert [round(len(rows) / 30_000, 2) for rows in splits.values()] == [0.7, 0.15, 0.15]

    def test_that_the_folder_has_is_kept_and_groups_across_it_are_reported(self) -> None:
        labelling = grouped([0, 0, 1, 1], [0, 1] * 2, ["train", "test", "train", "train"])
        assert labelling.groups is not None
        assert list(spanning_groups(labelling.groups, labelling.splits)) == [
            "1 group is in several of the folder's own splits, which groups='g' does not change"
        ]
