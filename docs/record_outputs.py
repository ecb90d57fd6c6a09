"""Run the commands of the pages and write their outputs below them: `python docs/record_outputs.py --photos FOLDER`.

A block of output in a page gets the output of the last command before it; progress lines are left out. All pages share
one working folder, with one tracking database, so studies reuse each other's trainings. The README's pictures are drawn
from its study: the learning-rate sweep, and with chromium the first screen of the report.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from page_commands import PAGES, ROOT, TABLE, Block, as_script, blocks, commands

README, SCREEN = ROOT / "README.md", "1200,760"
PROGRESS = re.compile(
    r"^(?:\[\d+/\d+\]|epoch +\d|(?:experiment|data|study|steps|training|report|model|images|registered): "
    r"|(?:predict|serve|continue): |drawing |run [0-9a-f]{32}; ).*\n",
    re.M,
)


def main() -> None:
    """Record the outputs of the pages that have blocks for them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="a folder of class folders with photographs")
    parser.add_argument("--only", type=Path, help="one page")
    parser.add_argument("--folder", type=Path, help="the working folder, to keep (default: a temporary one)")
    options = parser.parse_args()
    pages = [options.only.resolve()] if options.only else PAGES
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        folder.mkdir(exist_ok=True)
        if not (folder / "photos").exists():
            (folder / "photos").symlink_to(options.photos.resolve())
        shutil.copy(TABLE, folder)
        for page in pages:
            record(page, folder)
            if page == README:
                draw_pictures(folder)


def record(page: Path, folder: Path) -> None:
    """Run the commands of a page that have a block of output after them, in `folder`, and rewrite the page."""
    text = page.read_text(encoding="utf-8")
    for block, output in reversed(list(_outputs(list(blocks(text)), folder))):
        text = text[: block.start] + output + text[block.end :]
    page.write_text(text, encoding="utf-8")


def draw_pictures(folder: Path) -> None:
    """Draw the README's pictures from the study and the report in `folder`."""
    images = ROOT / "docs" / "images"
    run(f"python analysis/draw_basin.py --out {images / 'learning-rate-sweep.png'}", folder)
    screen = [f"--window-size={SCREEN}", f"--screenshot={images / 'report.png'}", str(folder / "report" / "index.html")]
    subprocess.run(["chromium", "--headless", "--no-sandbox", "--hide-scrollbars", *screen], check=True)


def _outputs(page: list[Block], folder: Path) -> Iterator[tuple[Block, str]]:
    shell: list[Block] = []
    for block in page:
        if block.language == "sh":
            shell.append(block)
        elif block.language == "text":
            ran = [output for command in commands(shell[-1]) if (output := run(command, folder)) is not None]
            if ran:  # else the block shows something else, such as a folder
                yield block, ran[-1]


def run(command: str, folder: Path) -> str | None:
    """Return the output of a command of this project that ran in `folder`; None for any other command."""
    script, *options = as_script(command)
    if not script.endswith(".py"):
        return None
    # As under `mlflow run`, as which the pages give the commands.
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "MLFLOW_EXPERIMENT_NAME": "Default"}
    words = [sys.executable, str(ROOT / script), *_with_run(options, folder)]
    print(command, flush=True)
    outcome = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True)
    output = PROGRESS.sub("", outcome.stdout) + (outcome.stderr if outcome.returncode else "")
    return re.sub(r" +$", "", output, flags=re.M)


def _with_run(options: list[str], folder: Path) -> list[str]:
    """Replace the id of the example's run by that of the newest run of a single training."""
    option = next((name for name in ("--run_id", "--continue_from") if name in options), None)
    if option is None:
        return options
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.db'}")
    trained = mlflow.search_runs(
        search_all_experiments=True, filter_string="tags.`lrstudy.kind` = 'train'", output_format="list"
    )
    alone = next(run for run in trained if "mlflow.parentRunId" not in run.data.tags)
    place = options.index(option) + 1
    return [*options[:place], alone.info.run_id, *options[place + 1 :]]


if __name__ == "__main__":
    main()
