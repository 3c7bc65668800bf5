"""What every metric declares, in one table: a change here changes intervals, headlines and leaderboards."""

from __future__ import annotations

from evalkit import registry

DECLARED = """
auc              rank     higher  0.0   1.0   undefined  whole  primary
brier            mean     lower   0.0   1.0   1.0        mean   primary
accuracy         mean01   higher  0.0   1.0   0.0        mean   primary
macro_f1         corpus   higher  0.0   1.0   0.0        sums
micro_f1         ratio    higher  0.0   1.0   0.0        sums
mcc              corpus   higher  -1.0  1.0   0.0        sums
contains         mean01   higher  0.0   1.0   0.0        mean   primary
cost_usd         mean     lower   0.0   None  undefined  mean   USD
ends_with        mean01   higher  0.0   1.0   0.0        mean   primary
exact_match      mean01   higher  0.0   1.0   0.0        mean   primary
json_f1          ratio    higher  0.0   1.0   0.0        sums   primary
json_precision   ratio    higher  0.0   1.0   0.0        sums
json_recall      ratio    higher  0.0   1.0   0.0        sums
json_f1_mean     mean     higher  0.0   1.0   0.0        mean
json_exact       mean01   higher  0.0   1.0   0.0        mean
json_valid       mean01   higher  0.0   1.0   0.0        mean   primary
latency_p50      quantile lower   0.0   None  undefined  whole  s fresh
latency_p95      quantile lower   0.0   None  undefined  whole  s fresh
latency_p99      quantile lower   0.0   None  undefined  whole  s fresh
first_token_p50  quantile lower   0.0   None  undefined  whole  s fresh
first_token_p95  quantile lower   0.0   None  undefined  whole  s fresh
tokens_per_s     ratio    higher  0.0   None  undefined  sums   tokens/s fresh
length_words     mean     lower   0.0   None  undefined  mean   words
length_characters mean    lower   0.0   None  undefined  mean   characters
length_tokens    mean     lower   0.0   None  undefined  mean   tokens
log_loss         mean     lower   0.0   None  undefined  mean   nats primary
multiple_choice  mean01   higher  0.0   1.0   0.0        mean   primary
numeric          mean01   higher  0.0   1.0   0.0        mean   primary
refusal_rate     mean01   lower   0.0   1.0   1.0        mean
regex            mean01   higher  0.0   1.0   0.0        mean   primary
rmse             corpus   lower   0.0   None  undefined  sums   primary
mae              mean     lower   0.0   None  undefined  mean
r2               corpus   higher  None  1.0   undefined  sums
mape             mean     lower   0.0   None  undefined  mean
squad_f1         mean     higher  0.0   1.0   0.0        mean   primary
squad_em         mean01   higher  0.0   1.0   0.0        mean
starts_with      mean01   higher  0.0   1.0   0.0        mean   primary
"""
NEEDED = {"regex": "regex(pattern='x')", "regression": "regression(percentage=True)"}


def written(metric):
    words = [metric.name, metric.kind, "higher" if metric.higher_is_better else "lower", *map(str, metric.bounds)]
    words += [str(metric.on_error), type(metric.fold.across).__name__.lower(), metric.unit]
    words += [name for name, held in (("primary", metric.primary), ("fresh", metric.fresh_only)) if held]
    return " ".join(filter(None, words))


def test_metrics_are_as_declared():
    table = [" ".join(line.split()) for line in DECLARED.strip().splitlines()]
    found = []
    for name in sorted(registry.names("scorers")):
        found += [written(metric) for metric in registry.make("scorers", NEEDED.get(name, name)).metrics]
    assert found == table
