"""Declarations: YAML files become core specifications, or all their faults at once with line and column.

The only room that reads YAML. `project.load_project` is the door; `check.check` is what `renkei check` calls.
"""
