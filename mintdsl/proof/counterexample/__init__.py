"""Counter-examples for refused programs: numbers for which a claim fails, found and confirmed by the interpreter.

`settings` chooses sizes, `knobs` the free numbers, `points` evaluates, `goals` says what is looked for, `image` finds
values that are never reached, `search` does all of it for a diagnostic.
"""
