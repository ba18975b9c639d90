# SPDX-License-Identifier: MIT
# What perl.sh runs.
use strict;
use warnings;

my ($seed, @text) = (1);
sub number { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; return ($seed >> 8) % shift }
push @text, join ' ', map { join '', map { chr(97 + number(26)) } 1 .. 2 + number(7) } 1 .. 12 for 1 .. 8000;

my (%count, %by_letter);
for my $line (@text) {
    $count{$_}++ for split / /, $line;
    while ($line =~ /\b([aeiou])(\w*?)([^aeiou]+)\b/g) { push @{ $by_letter{$1}{ length $2 } }, $3 }
}
printf "%d words\n", scalar keys %count;
my @top = (sort { $count{$b} <=> $count{$a} || $a cmp $b } keys %count)[0 .. 40];
print "$_ $count{$_}\n" for @top;
for my $letter (sort keys %by_letter) {
    for my $length (sort { $a <=> $b } keys %{ $by_letter{$letter} }) {
        my $list = $by_letter{$letter}{$length};
        printf "%s %d: %d, longest %s\n", $letter, $length, scalar @$list,
            (sort { length $b <=> length $a || $a cmp $b } @$list)[0];
    }
}
my $all = join "\n", @text;
(my $changed = $all) =~ s/(\w)(\w)/$2$1/g;
$changed =~ tr/a-m/A-M/;
printf "%d %s\n", length $changed, unpack '%32C*', $changed;
my @tree = map { { id => $_, children => [ map { { id => $_ * 10 } } 1 .. number(20) ] } } 1 .. 5000;
my $nodes = 0;
$nodes += 1 + @{ $_->{children} } for @tree;
splice @tree, 100, 3000;
print "$nodes ", scalar @tree, "\n";
my $buffer = '';
for my $i (1 .. 2000) { $buffer .= "x" x $i; $buffer = substr $buffer, 500 if length $buffer > 100_000 }
print length $buffer, "\n";
open my $child, '-|', 'echo from a child' or die;
print <$child>;
if (my $pid = fork) { waitpid $pid, 0; print $? >> 8, "\n" } else { my @x = map { [ 1 .. $_ ] } 1 .. 500; exit @x % 256 }
