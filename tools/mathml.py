"""Formulas as MathML, which browsers show without a script: for the website and the slides."""

from build import Refusal
from math_core import LatexError, LatexToMathML

CONVERTER = LatexToMathML(fancy_error=False)


def mathml(formula: str, block: bool) -> str:
    """Write a formula of LaTeX's, on a line of its own or within one."""
    try:
        return CONVERTER.convert_with_local_state(formula, displaystyle=block)
    except LatexError as error:
        raise Refusal(f"the formula {formula} cannot be written as MathML: {error}") from error
