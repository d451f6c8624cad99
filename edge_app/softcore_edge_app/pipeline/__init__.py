"""Pipeline: triggers, recipes, and the threads that give every trigger its one decision in time."""
