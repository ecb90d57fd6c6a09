"""Write the classes of photographs: `python src/predict.py --model models:/NAME@champion --images FOLDER`."""

from lrstudy.cli.entry_point import run_main
from lrstudy.study.commands import run_predict

if __name__ == "__main__":
    run_main(run_predict)
