# shellcheck shell=sh
# chronyc(1), "tracking": the clock is off by the offset, the root dispersion and half the root delay
# at most; where no server sets it, that is more than a second. What the kernel reports may come from
# another container.
tracking=$(chronyc -c tracking) || { echo "$tracking"; exit 1; }
echo "$tracking" | awk -F, '{
    offset = $5 < 0 ? -$5 : $5
    printf "measured %.3f\n%s, off by %.3f s at most\n",
        offset + $12 + $11 / 2, tolower($14), offset + $12 + $11 / 2
}'
