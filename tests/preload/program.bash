# SPDX-License-Identifier: MIT
# What bash.sh runs.
declare -A count
declare -a words
for i in $(seq 20000); do
    word="w$((i * 7919 % 503))"
    words[i % 700]=$word
    count[$word]=$((${count[$word]:-0} + 1))
done
for word in $(printf '%s\n' "${!count[@]}" | sort); do
    echo "$word ${count[$word]}"
done
echo "${#words[@]} ${words[*]:10:20}"

text=""
for i in {1..3000}; do
    text+="line $i of a growing string"$'\n'
done
echo "${#text} ${text//growing/shrinking}" | cksum
while read -r _ number _; do
    ((sum += number))
done <<<"$text"
echo "$sum"

for i in {1..60}; do
    (
        local_copy=("${words[@]}")
        unset 'local_copy[3]'
        echo "$i ${#local_copy[@]}"
    )
done
seq 5000 | tee files.txt | sort -r | sed -n '1~7p' | awk '{ s += $1 } END { print s }' | cat
diff <(seq 10) <(seq 2 11)
coproc CAT { cat; }
echo through a coprocess >&"${CAT[1]}"
read -r line <&"${CAT[0]}"
echo "$line"
fib() { (($1 < 2)) && echo "$1" || echo $(($(fib $(($1 - 1))) + $(fib $(($1 - 2))))); }
fib 9
trap 'echo end' EXIT
