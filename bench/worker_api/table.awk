# SPDX-License-Identifier: GPL-2.0-or-later
# table.awk -v rounds=N ROWS SAMPLES: medians over the rounds. A sample is "ROUND PROGRAM ROW VALUE"; of
# several of one round the last counts. Ratios are taken within a round.

function median(values, n,    i, j, v) {
    for (i = 2; i <= n; i++) {
        v = values[i]
        for (j = i - 1; j >= 1 && values[j] > v; j--)
            values[j + 1] = values[j]
        values[j + 1] = v
    }
    return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2
}

FNR == NR && /^[^#]/ {
    ours[++rows] = $1; rival[rows] = $2; theirs[rows] = $3; limit[rows] = $4
    what[rows] = $5
    for (i = 6; i <= NF; i++)
        what[rows] = what[rows] " " $i
}
FNR != NR { sample[$1, $2, $3] = $4; seen[$2, $3] = 1 }

END {
    printf "%-18s %12s  %-5s %12s  %7s %6s  %s\n", "row", "ours", "rival", "its", "ratio", "aim", ""
    for (row = 1; row <= rows; row++) {
        n = m = 0
        for (i = 1; i <= rounds; i++) {
            if ((i, "ours", ours[row]) in sample)
                a[++n] = sample[i, "ours", ours[row]]
            if ((i, rival[row], theirs[row]) in sample && n > 0) {
                b[++m] = sample[i, rival[row], theirs[row]]
                ratio[m] = b[m] > 0 ? a[n] / b[m] : 0
            }
        }
        if (n == 0)
            continue
        printf "%-18s %12.2f  %-5s ", ours[row], median(a, n), rival[row]
        if (m == 0) {
            printf "%12s  %7s %6s  ", rival[row] == "-" ? "" : "not here", "", limit[row]
        } else {
            its = median(b, m)
            r = median(ratio, m)
            printf "%12.2f  %7.3f %6s  ", its, r, limit[row]
            if (limit[row] != "-" && r > limit[row]) {
                printf "MISSED "
                missed++
            }
        }
        print what[row]
    }
    if (missed)
        printf "%d aims missed\n", missed
}
