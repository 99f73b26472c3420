"""Predicted masks against annotated ones: scores of each case, of the cohort, figures and a page."""
