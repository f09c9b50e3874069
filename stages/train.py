"""Learn one task with one member's recipe, in all folds. A finished fold is remembered by what it was made of."""

from pathlib import Path

import pandas as pd
import torch

from visage import crew
from visage.albums import read_album, read_transplants
from visage.labels import TaskParams, read_tasks
from visage.lessons import course, learn_folds
from visage.memo import Memo
from visage.params import load
from visage.predictions import look_of
from visage.progress import Bar
