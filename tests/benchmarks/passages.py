"""How passages should be cut, found and put to a small model: measured on three documents written for this.

`python -m tests.benchmarks.passages` says how often the best passages hold the answer, by length, number and ranking;
with `--model FOLDER` how often the model then answers right, by the wording around the passages. These documents are
for tuning; the bundled ones (`gistdesk niah --kinds documents`) are for measuring and were not looked at here.
"""
