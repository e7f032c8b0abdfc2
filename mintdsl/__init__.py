"""mintdsl: write an invertible network as a formula, get a proof that it is invertible, and a PyTorch module.

program = mintdsl.load("specs/mintnet/mnist.mint")
report = program.check("Mnist")
Model = program.compile("Mnist")
"""

from mintdsl.driver import FileProblem, Program, Report, SpecError, load, loads

__version__ = "0.1.0"
__all__ = ["FileProblem", "Program", "Report", "SpecError", "__version__", "load", "loads"]
