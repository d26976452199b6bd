#!/bin/sh
# One night's scores, for cron:
#   30 3 * * *  mqlml  flock -n -E 4 /opt/leads/.lock /opt/leads/score.sh /opt/leads/mqlml.yml '${SCORES_URL}' >> /var/log/leads.log 2>&1
# flock keeps a second night from starting while the first one still works or waits for its second attempt.
# SCORES_URL stands in the environment file of the job, which only its user may read.
# A failure of a system (exit 4) and a stop (143) are tried once more: the second run resumes where the first ended.
set -u
config=$1
out=$2
day=${3:-$(date -u +%F)}
attempt() {
    mqlml score --config "$config" --as-of "$day" --out "$out" --max-change 0.2 --json --log json
}
attempt
code=$?
if [ "$code" -eq 4 ] || [ "$code" -eq 143 ]; then
    sleep "${RETRY_AFTER:-300}"
    attempt
    code=$?
fi
exit "$code"
