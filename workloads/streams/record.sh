#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# record.sh BUILD [NAME...]: runs the programs below under the policy library and writes the stream of each beside this file.
# A stream depends on the version of its program, so that recording again gives another one, and with it other figures of
# claims: those kept here stay until somebody wants that. Ends with what each needs of first fit.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
library=$(realpath "$1")/lib/libspanlab-policy.so
shift
[[ -e $library ]] || { echo "record.sh: $library is not built: cmake --build BUILD --target spanlab-policy" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export LC_ALL=C PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 PERL_HASH_SEED=0 PERL_PERTURB_KEYS=0

# Words, a table, text of JSON written and read, and a pattern.
python() {
    cat >program.py <<'END'
import json, re, collections
seed = 1
def number(n):
    global seed
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    return (seed >> 8) % n
words = [''.join(chr(97 + number(26)) for _ in range(2 + number(7))) for _ in range(300)]
count = collections.Counter(w[0:2] for w in words)
tree = {w: {'n': len(w), 'rest': [w[i:] for i in range(len(w))]} for w in words[:60]}
text = json.dumps(tree)
print(len(text), len(json.loads(text)), re.sub(r'(\w)(\w)', r'\2\1', text)[:20], count.most_common(3))
END
    recorded /usr/bin/python3 program.py
}

# Words, hashes of arrays by a pattern, nested data, sorting.
perl() {
    cat >program.pl <<'END'
my $seed = 1;
sub number { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return ($seed >> 8) % shift }
my @text;
push @text, join ' ', map { join '', map { chr(97 + number(26)) } 1 .. 2 + number(7) } 1 .. 12 for 1 .. 450;
my (%count, %by);
for my $line (@text) {
    $count{$_}++ for split / /, $line;
    while ($line =~ /\b([aeiou])(\w*?)([^aeiou]+)\b/g) { push @{ $by{$1}{ length $2 } }, $3 }
}
my @tree = map { { id => $_, children => [ map { { id => $_ * 10 } } 1 .. number(20) ] } } 1 .. 250;
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 10];
(my $changed = join "\n", @text) =~ s/(\w)(\w)/$2$1/g;
print scalar(@tree), "@top ", length $changed, "\n";
END
    recorded perl program.pl
}

# Two tables in memory, an index, a join, a window, deletions.
sqlite() {
    cat >program.sql <<'END'
create table person(id integer primary key, name text, city integer);
create table city(id integer primary key, name text);
with recursive n(i) as (select 1 union all select i+1 from n where i<60) insert into city select i, 'city ' || i from n;
with recursive n(i) as (select 1 union all select i+1 from n where i<30000) insert into person select i, 'name ' || (i*7919 % 1009), i*31 % 60 + 1 from n;
create index by_name on person(name);
select c.name, count(*), max(p.name) from person p join city c on c.id=p.city group by c.name order by 2 desc, 1 limit 5;
select name, row_number() over (partition by city order by name) from person where id < 2000 limit 3;
delete from person where id % 3 = 0;
select count(*), sum(length(name)) from person;
END
    recorded sqlite3 :memory: '.read program.sql'
}

# The shell's own words, an associative array, recursion.
bash() {
    cat >program.bash <<'END'
declare -A seen=()
words=(word-{1..5200} {a..z}{a..z})
for ((i = 0; i < 5200; i += 130)); do key=${words[i]:0:7} seen[$key]=${seen[$key]-}${words[i]//o/0}; unset "words[i]"; done
for key in "${!seen[@]}"; do [[ ${#seen[$key]} -gt 40 ]] && long+=("$key ${seen[$key]}"); done
f() { local i=$1; ((i == 0)) || { local a=("$i" x y); f $((i - 1)); }; }
f 40
echo "${#seen[@]} ${#long[@]}"
END
    recorded /bin/bash program.bash
}

# The C compiler proper, on a file of this tree.
cc1() {
    recorded "$(gcc -print-prog-name=cc1)" -quiet -O1 "-I$here/../../variants/peers/policy" \
        "-I/usr/include/$(gcc -print-multiarch)" "$here/../../variants/peers/policy/tree.c" -o /dev/null
}

# JSON made, grouped and counted.
jq() {
    recorded jq -n '[range(2000)|{a:., b:(.*7919%1009|tostring), c:[range(.%10)]}]|group_by(.b)|map({k:.[0].b,n:length})|length'
}

recorded() {
    SPANLAB_POLICY_ROUND=1 SPANLAB_POLICY_RECORD=$here/${FUNCNAME[1]}.stream SPANLAB_POLICY_OUT=$work/table LD_PRELOAD=$library \
        command "$@" >/dev/null
    printf '%-8s %8d bytes of stream; %s\n' "${FUNCNAME[1]}" "$(stat -c %s "$here/${FUNCNAME[1]}.stream")" \
        "$(sed -n -e 's/^spanlab: policies for //' -e '1p;/^  first/p' "$work/table" | tr -s ' \n' ' ')"
    rm "$work/table"
}

[[ $# -gt 0 ]] || set -- python perl sqlite bash cc1 jq
for name; do "$name"; done
