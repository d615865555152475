"""Evaluation: what a model costs in errors, likeness, sound, time and size, against its parent, and a gate that holds it."""

from timbral.evaluation.gate import Gate, Violation
from timbral.evaluation.journal import read_evaluation
from timbral.evaluation.report import write_report
from timbral.evaluation.results import Evaluation, Row
from timbral.evaluation.running import evaluate
from timbral.evaluation.suite import Case, Suite, SuiteVoice
from timbral.evaluation.suite_files import load_suite

__all__ = [
    "Case",
    "Evaluation",
    "Gate",
    "Row",
    "Suite",
    "SuiteVoice",
    "Violation",
    "evaluate",
    "load_suite",
    "read_evaluation",
    "write_report",
]
