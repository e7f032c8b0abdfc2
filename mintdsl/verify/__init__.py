"""A generated module against its meaning: `verify`, and what it finds."""

from mintdsl.verify.models import NoShape as NoShape
from mintdsl.verify.run import Row as Row, Verification as Verification, verify as verify
