"""Leakage audit: which columns and event types were written with the outcome or after it.

Columns that are filled in after the outcome are the commonest leak in lead scoring. Each module looks for one sign:

* of attributes: `names` and identifiers, `univariate` (near-perfect by values or by missingness), `times` (later than
  the cutoff, or leads created at the deal), `changes` (values set later, by the attribute history);
* of event types: `events` (that follow the conversion).

`columns` runs the checks of attributes, `findings` joins the signs, `audit` runs them all on what the user brought.
The leak test in `perturbation` changes the future of some leads at random and checks that no feature moves.
"""
