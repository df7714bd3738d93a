# SPDX-License-Identifier: GPL-2.0-only
# KTAP on standard input -> a line "suite<TAB>test<TAB>result" for each leaf: pass, fail, skip.
# What ktap.py does with the same lines, for a guest or board that has no Python; test_ktap.py
# compares the two. Levels are told apart by indentation: indent[], plan[] (-1: none), seen[],
# bad[], why_skip[], 0 is the top.

function report(name, result)
{
	gsub(/[^A-Za-z0-9_.-]/, "_", name)
	printf "%s\t%s\t%s\n", suite == "" ? "harness" : suite, name, result
	fflush()
	failed = failed || result == "fail"
}

function push(at)
{
	depth++
	indent[depth] = at; plan[depth] = -1; seen[depth] = 0; bad[depth] = 0; skipped[depth] = 0
}

function go_to(at)
{
	while (depth > 0 && indent[depth] > at)
		depth--
	if (indent[depth] < at)
		push(at)
}

# A level ends: returns 1 if what it lacks or skips was a result of its own
function close_level(d, name)
{
	if (skipped[d] && !seen[d])
		held = "skip"
	else if (seen[d] && plan[d] < 0 || plan[d] >= 0 && plan[d] != seen[d])
		held = "fail"
	else
		return 0
	held_name[++held_nr] = held == "fail" ? name ": plan" : name
	held_result[held_nr] = held
	return 1
}

function result(at, ok, rest,    name, why, skip, had, isbad, d, k, at_skip)
{
	skip = match(rest, /(^|[ \t])#[ \t]*[Ss][Kk][Ii][Pp]([^A-Za-z0-9_]|$)/)
	at_skip = RSTART
	name = skip ? substr(rest, 1, at_skip - 1) : rest
	why = ""
	if (k = index(name, " # ")) {
		why = substr(name, k + 3)
		name = substr(name, 1, k - 1)
	}
	gsub(/^[ \t]+|[ \t]+$/, "", name)
	gsub(/^[ \t]+|[ \t]+$/, "", why)
	if (name == "" && skip) {
		name = substr(rest, at_skip)
		sub(/^[ \t]*#[ \t]*[A-Za-z]*:?[ \t]*/, "", name)
		sub(/[ \t]+$/, "", name)
	}
	if (name == "")
		name = "test"
	held_nr = had = isbad = 0
	for (d = depth; d > 0 && indent[d] > at; d--) {
		had = had || seen[d] || plan[d] >= 0
		isbad = isbad || bad[d]
		close_level(d, name)
	}
	for (k = 1; k <= held_nr; k++)
		isbad = isbad || held_result[k] == "fail"
	go_to(at)
	seen[depth]++
	failed = 0
	if (!ok && !skip) {
		if (why != "" && held_nr && held_result[held_nr] == "fail") {
			held_name[held_nr] = name
		} else if (!(had && isbad) || why ~ /^(timeout|killed)/) {
			held_name[++held_nr] = name; held_result[held_nr] = "fail"
		}
		bad[depth]++
	} else if (skip && !had) {
		held_name[++held_nr] = name; held_result[held_nr] = "skip"
	} else if (!had && at == 0 && owes_plan) {
		held_name[++held_nr] = name; held_result[held_nr] = "fail"
	} else if (!had) {
		held_name[++held_nr] = name; held_result[held_nr] = "pass"
	}
	for (k = 1; k <= held_nr; k++)
		report(held_name[k], held_result[k])
	if (failed)
		bad[depth]++
}

BEGIN {
	depth = -1
	push(0)
}

{ sub(/\r$/, "") }

/^ +# harness: start / {
	suite = $0
	sub(/^ +# harness: start /, "", suite)
	# A kselftest owes a plan; what the runner reads from debugfs does not
	owes_plan = suite !~ /^kunit-/ && suite != "harness"
	next
}

/^ *1\.\.[0-9]+[ \t]*(#[ \t]*[Ss][Kk][Ii][Pp].*)?[ \t]*$/ {
	match($0, /^ */)
	go_to(RLENGTH)
	line = substr($0, RLENGTH + 4)
	if (plan[depth] < 0)
		plan[depth] = line + 0
	if (toupper(line) ~ /#[ \t]*SKIP/)
		skipped[depth] = 1
	next
}

# KUnit of 6.12 gives no plan for the parameters of a test, but their number
/^ *# .*: pass:[0-9]+ fail:[0-9]+ skip:[0-9]+ total:[0-9]+$/ {
	match($0, /^ */)
	if (indent[depth] > RLENGTH && plan[depth] < 0) {
		sub(/.*total:/, "")
		plan[depth] = $0 + 0
	}
	next
}

/^ *(not )?ok([ \t]|$)/ {
	match($0, /^ */)
	at = RLENGTH
	line = substr($0, at + 1)
	ok = line !~ /^not/
	sub(/^(not )?ok/, "", line)
	sub(/^[ \t]+[0-9]+/, "", line)
	sub(/^[ \t]*-/, "", line)
	sub(/^[ \t]+/, "", line)
	result(at, ok, line)
}

END {
	held_nr = 0
	for (d = 1; d <= depth; d++)
		close_level(d, "cut short")
	for (k = 1; k <= held_nr; k++)
		report(held_name[k], held_result[k])
	if (plan[0] != seen[0]) {
		suite = "harness"
		report("KTAP plan of the whole run", "fail")
	}
}
