"""Helpers of generated modules: real, tested functions whose source text a generated file carries along."""
