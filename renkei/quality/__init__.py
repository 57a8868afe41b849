"""Checks on rows: the only room that knows Great Expectations.

`judge.GreatJudge` implements ports.Judge. Neither module loads the library when it is imported: loading takes seconds
(docs/decisions/0003).
"""
