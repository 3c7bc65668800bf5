"""What every metric declares, in one table: a change here changes intervals, headlines and leaderboards."""

from __future__ import annotations

from evalkit import registry

DECLARED = """
abstention_f1 ratio higher 0.0 1.0 0.0 sums primary
abstention_precision ratio higher 0.0 1.0 0.0 sums
abstention_recall ratio higher 0.0 1.0 0.0 sums
anls mean higher 0.0 1.0 0.0 mean primary
answer_relevancy ratio higher 0.0 1.0 undefined sums
auc rank higher 0.0 1.0 undefined whole primary
average_precision rank higher 0.0 1.0 undefined whole
bleu corpus higher 0.0 100.0 0.0 sums primary
boundary_f mean higher 0.0 1.0 0.0 mean primary
boundary_precision mean higher 0.0 1.0 0.0 mean
boundary_recall mean higher 0.0 1.0 0.0 mean
j_and_f mean higher 0.0 1.0 0.0 mean
brier mean lower 0.0 1.0 1.0 mean primary
ece rank lower 0.0 1.0 undefined whole
mce rank lower 0.0 1.0 undefined whole
cer ratio lower 0.0 None 1.0 sums primary
cer_substitutions ratio lower 0.0 None 1.0 sums
cer_deletions ratio lower 0.0 None 1.0 sums
cer_insertions ratio lower 0.0 None 1.0 sums
chrf corpus higher 0.0 100.0 0.0 sums primary
citation_f1 ratio higher 0.0 1.0 0.0 sums primary
citation_precision ratio higher 0.0 1.0 0.0 sums
citation_recall ratio higher 0.0 1.0 0.0 sums
accuracy mean01 higher 0.0 1.0 0.0 mean primary
macro_f1 corpus higher 0.0 1.0 0.0 sums
micro_f1 ratio higher 0.0 1.0 0.0 sums
mcc corpus higher -1.0 1.0 0.0 sums
clip_score mean higher 0.0 2.5 0.0 mean primary
ref_clip_score mean higher 0.0 2.5 0.0 mean
cmos ratio higher -3.0 3.0 -3.0 sums primary
cmos_low corpus higher -3.0 3.0 -3.0 whole
cmos_high corpus higher -3.0 3.0 -3.0 whole
cmos_screened ratio higher -3.0 3.0 -3.0 sums
cmos_rated mean01 higher 0.0 1.0 0.0 mean
contains mean01 higher 0.0 1.0 0.0 mean primary
context_precision ratio higher 0.0 1.0 undefined sums
cost_usd mean lower 0.0 None undefined mean USD
cost_per_solved ratio lower 0.0 None undefined sums USD
count_error ratio lower 0.0 10.0 10.0 sums
count_exact ratio higher 0.0 1.0 0.0 sums
coverage ratio higher 0.0 1.0 0.0 sums
identical_pixels mean higher 0.0 1.0 0.0 mean primary
phash_distance mean lower 0.0 1.0 1.0 mean
end_state mean01 higher 0.0 1.0 0.0 mean primary
state_match mean01 higher 0.0 1.0 0.0 mean
ends_with mean01 higher 0.0 1.0 0.0 mean primary
entity_f1 ratio higher 0.0 1.0 0.0 sums primary
entity_precision ratio higher 0.0 1.0 0.0 sums
entity_recall ratio higher 0.0 1.0 0.0 sums
entity_macro_f1 corpus higher 0.0 1.0 0.0 sums
exact_match mean01 higher 0.0 1.0 0.0 mean primary
faithfulness ratio higher 0.0 1.0 undefined sums
fid rank lower 0.0 None undefined whole primary
hole@10 mean lower 0.0 1.0 1.0 mean
demands_met mean higher 0.0 1.0 0.0 mean primary
all_demands_met mean01 higher 0.0 1.0 0.0 mean
shapes_met ratio higher 0.0 1.0 0.0 sums primary
shape_count_error ratio lower 0.0 None undefined sums
image_size ratio higher 0.0 1.0 0.0 sums primary
index_mib mean lower 0.0 None undefined mean MiB
json_f1 ratio higher 0.0 1.0 0.0 sums primary
json_precision ratio higher 0.0 1.0 0.0 sums
json_recall ratio higher 0.0 1.0 0.0 sums
json_f1_mean mean higher 0.0 1.0 0.0 mean
json_exact mean01 higher 0.0 1.0 0.0 mean
json_valid mean01 higher 0.0 1.0 0.0 mean primary
win_rate mean higher 0.0 1.0 undefined mean primary
conflict_rate ratio lower 0.0 1.0 undefined sums
first_slot_rate ratio lower 0.0 1.0 undefined sums
primacy corpus lower -1.0 1.0 undefined sums
judge_score mean higher 1.0 5.0 undefined mean of 5 primary
kid rank lower None None undefined whole primary
latency_p50 quantile lower 0.0 None undefined whole s fresh
latency_p95 quantile lower 0.0 None undefined whole s fresh
latency_p99 quantile lower 0.0 None undefined whole s fresh
first_token_p50 quantile lower 0.0 None undefined whole s fresh
first_token_p95 quantile lower 0.0 None undefined whole s fresh
tokens_per_s ratio higher 0.0 None undefined sums tokens/s fresh
length_words mean lower 0.0 None undefined mean words
length_characters mean lower 0.0 None undefined mean characters
length_tokens mean lower 0.0 None undefined mean tokens
lift@10 rank higher 0.0 10.0 undefined whole
gain@10 rank higher 0.0 1.0 undefined whole
lint_clean mean01 higher 0.0 1.0 0.0 mean primary
lint_findings mean lower 0.0 None undefined mean
log_loss mean lower 0.0 None undefined mean nats primary
loudness_lufs mean higher None None undefined mean LUFS
level_dbfs mean higher None None undefined mean dBFS
peak_dbfs mean lower None None undefined mean dBFS
clipped_share ratio lower 0.0 1.0 undefined sums
leading_silence_s mean lower 0.0 None undefined mean s
spoken_s mean higher 0.0 None undefined mean s
majority mean higher 0.0 1.0 0.0 mean
map mean higher 0.0 1.0 0.0 mean
mase ratio lower 0.0 None undefined sums primary
miou_objects ratio higher 0.0 1.0 0.0 sums primary
object_f1 corpus higher 0.0 1.0 0.0 sums
object_precision corpus higher 0.0 1.0 0.0 sums
object_recall corpus higher 0.0 1.0 0.0 sums
false_objects mean lower 0.0 None undefined mean
math_equal mean01 higher 0.0 1.0 0.0 mean primary
mer ratio lower 0.0 1.0 1.0 sums primary
mos ratio higher 1.0 5.0 1.0 sums primary
mos_low corpus higher 1.0 5.0 1.0 whole
mos_high corpus higher 1.0 5.0 1.0 whole
mos_screened ratio higher 1.0 5.0 1.0 sums
mos_rated mean01 higher 0.0 1.0 0.0 mean
mrr@10 mean higher 0.0 1.0 0.0 mean
multiple_choice mean01 higher 0.0 1.0 0.0 mean primary
ndcg@10 mean higher 0.0 1.0 0.0 mean primary
numeric mean01 higher 0.0 1.0 0.0 mean primary
palette_distance ratio lower 0.0 1.0 1.0 sums primary
palette_delta_e ratio lower 0.0 None undefined sums
pass@1 mean higher 0.0 1.0 0.0 mean primary
pass_all@1 mean higher 0.0 1.0 0.0 mean
pesq mean higher -0.5 4.65 1.0 mean primary
precision@10 mean higher 0.0 1.0 0.0 mean
predicted_mos mean higher 0.0 5.0 1.0 mean primary
predicted_mos_signal mean higher 0.0 5.0 1.0 mean
predicted_mos_background mean higher 0.0 5.0 1.0 mean
predicted_mos_p808 mean higher 0.0 5.0 1.0 mean
psnr ratio higher 0.0 100.0 0.0 sums dB primary
rag_f1 mean higher 0.0 1.0 0.0 mean primary
rag_em mean01 higher 0.0 1.0 0.0 mean
rag_holds mean01 higher 0.0 1.0 0.0 mean
real_time_factor ratio lower 0.0 None undefined sums x fresh
rtfx ratio higher 0.0 None undefined sums x fresh
reasoning_tokens mean lower 0.0 None undefined mean tokens
recall@10 mean higher 0.0 1.0 0.0 mean
refusal_rate mean01 lower 0.0 1.0 1.0 mean
regex mean01 higher 0.0 1.0 0.0 mean primary
rmse corpus lower 0.0 None undefined sums primary
mae mean lower 0.0 None undefined mean
r2 corpus higher None 1.0 undefined sums
mape mean lower 0.0 None undefined mean
relaxed_accuracy mean01 higher 0.0 1.0 0.0 mean primary
aurc rank lower 0.0 1.0 1.0 whole primary
coverage_at_floor mean01 higher 0.0 1.0 0.0 mean confidence >= 0.75
accuracy_at_floor ratio higher 0.0 1.0 0.0 sums confidence >= 0.75
rmsse ratio lower 0.0 None undefined sums
rouge1 mean higher 0.0 1.0 0.0 mean
rouge2 mean higher 0.0 1.0 0.0 mean
rougeL mean higher 0.0 1.0 0.0 mean primary
rougeLsum mean higher 0.0 1.0 0.0 mean
round_trip_wer ratio lower 0.0 None 1.0 sums primary
round_trip_wer_substitutions ratio lower 0.0 None 1.0 sums
round_trip_wer_deletions ratio lower 0.0 None 1.0 sums
round_trip_wer_insertions ratio lower 0.0 None 1.0 sums
routing_accuracy mean01 higher 0.0 1.0 undefined mean primary
escalation_rate mean01 lower 0.0 1.0 undefined mean
seconds_per_image ratio lower 0.0 None undefined sums s primary fresh
iou mean higher 0.0 1.0 0.0 mean primary
dice mean higher 0.0 1.0 0.0 mean
miou_pooled corpus higher 0.0 1.0 0.0 sums
silence_hallucination ratio lower 0.0 1.0 1.0 sums
silence_words ratio lower 0.0 None 1.0 sums words
smape mean lower 0.0 2.0 2.0 mean
solved_per_1k_tokens ratio higher 0.0 None undefined sums
solved_within@400 mean01 higher 0.0 1.0 0.0 mean
squad_f1 mean higher 0.0 1.0 0.0 mean primary
squad_em mean01 higher 0.0 1.0 0.0 mean
ssim ratio higher -1.0 1.0 0.0 sums primary
starts_with mean01 higher 0.0 1.0 0.0 mean primary
steps mean lower 0.0 None undefined mean steps
stoi mean higher -1.0 1.0 0.0 mean primary
success@5 mean01 higher 0.0 1.0 0.0 mean
detection_auc mean lower 0.5 1.0 1.0 mean
fidelity_columns mean higher 0.0 1.0 0.0 mean primary
fidelity_pairs mean higher 0.0 1.0 0.0 mean
copies mean lower 0.0 1.0 1.0 mean
closer_to_train mean lower 0.0 1.0 1.0 mean
dcr_ratio mean higher 0.0 None 0.0 mean
epsilon_claimed ratio lower 0.0 None undefined sums
tstr mean higher None 1.0 undefined mean
utility_gap mean lower None None undefined mean
ter ratio lower 0.0 None 100.0 sums primary
tests_pass mean01 higher 0.0 1.0 0.0 mean primary
tests_share mean higher 0.0 1.0 0.0 mean
code_compiles mean higher 0.0 1.0 0.0 mean
code_in_time mean higher 0.0 1.0 0.0 mean
code_runs mean higher 0.0 1.0 0.0 mean
text_cer ratio lower 0.0 None 1.0 sums primary
text_exact ratio higher 0.0 1.0 0.0 sums
tool_match mean01 higher 0.0 1.0 0.0 mean primary
tool_precision corpus higher 0.0 1.0 0.0 sums
tool_recall corpus higher 0.0 1.0 0.0 sums
wer ratio lower 0.0 None 1.0 sums primary
wer_substitutions ratio lower 0.0 None 1.0 sums
wer_deletions ratio lower 0.0 None 1.0 sums
wer_insertions ratio lower 0.0 None 1.0 sums
wil corpus lower 0.0 1.0 1.0 sums primary
wql ratio lower 0.0 None undefined sums
"""
NEEDED = {"regression": "regression(percentage=True)"}


def written(metric):
    words = [metric.name, metric.kind, "higher" if metric.higher_is_better else "lower", *map(str, metric.bounds)]
    words += [str(metric.on_error), type(metric.fold.across).__name__.lower(), metric.unit]
    words += [name for name, held in (("primary", metric.primary), ("fresh", metric.fresh_only)) if held]
    return " ".join(filter(None, words))


def test_metrics_are_as_declared(kit):
    table = [" ".join(line.split()) for line in DECLARED.strip().splitlines()]
    found = []
    for name in sorted(registry.names("scorers")):
        spec = NEEDED.get(name) or kit.load(name)["cases"][0]["spec"]
        found += [written(metric) for metric in registry.make("scorers", spec).metrics]
    assert found == table
