"""One comparison of several trained models: what was measured, as a page, as markdown, as plots."""

from training.report.comparison import Comparison, Result, Table
from training.report.markdown import write_markdown
from training.report.page import page

__all__ = ["Comparison", "Result", "Table", "page", "write_markdown"]
