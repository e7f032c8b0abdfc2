"""The calculus: the shadow of a Jacobian, its rules, and the derivations they make."""
