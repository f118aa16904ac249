#compdef fencecheck
# made from the tables in checker/option_table.cpp; do not edit
_fencecheck() {
  local -a commands
  commands=(
    'check:decide scenarios, traces and graphs, and explain what is wrong'
    'draw:draw the dependency graph or a counterexample'
    'encode:write a scenario in the language of another checker'
    'conform:compare the dependencies of a trace or a kernel log with those that a design permits'
    'verify:check the certificate of a design, without searching for it'
    'record:print, or run, the command that records what this kernel offers'
    'explain:say what a finding or a rule means'
    'schema:print the JSON Schema of scenarios, for editors'
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  local command=${words[2]}
  shift words
  ((CURRENT--))
  case $command in
    check)
      _arguments \
        '*--report[Write a report in this format to a file, or instead of the text]:FORMAT\[=FILE\]:(text terse json sarif junit codequality github ktap tap html perfetto)' \
        '--terse[One line for each finding\: the same as --report terse]' \
        '--story[Of which findings the text tells the whole story]:WHEN:(auto always never)' \
        '--unknown[Whether an unknown answer counts for the exit status]:GATE:(fail ok)' \
        '--certificate[Write why the design cannot deadlock, whatever the number of instances, as JSON]:FILE:_files' \
        '--baseline[Known findings, which do not count\: one FINGERPRINT RULE a line]:FILE:_files' \
        '--baseline-strict[Entries of the baseline that no finding has count as findings]' \
        '--update-baseline[Write the baseline anew\: add what is new, remove what is gone]' \
        '--findings[Findings of each input to report; more are counted]:NUMBER:' \
        '--late[In traces, longer waits and later fences are findings]:SECONDS:' \
        '--window[In traces, lock and fence events whose order is looked at together, for hangs in another order]:EVENTS:' \
        '--timing[Report how long each input took; reports then differ from run to run]' \
        '-j[Inputs to check at once; 0 for one on each processor]:NUMBER:' \
        '--jobs[Inputs to check at once; 0 for one on each processor]:NUMBER:' \
        '--watch[Check again what changes, and say which edge closed a cycle, until interrupted]' \
        '--combine[The traces and kernel logs are of one machine\: report also what they say together]' \
        '--merge[The inputs are parts of one trace with one clock\: read them as one, in the order of time]' \
        '--timeout[Time for each input; 0 for no limit; what it cuts short is unknown]:SECONDS:' \
        '--memory[Memory for the solver, of all inputs together, and for explored states, at least 64; 0 for no limit; what it cuts short is unknown]:MEGABYTES:' \
        '--engine[What decides scenarios]:ENGINE:(auto smt explore)' \
        '--no-reduction[Look at every interleaving, also where reductions make it needless]' \
        '*:INPUT:_files' \
        '--help[Print help]'
      ;;
    draw)
      _arguments \
        '--late[In traces, longer waits and later fences are findings]:SECONDS:' \
        '--merge[The inputs are parts of one trace with one clock\: read them as one, in the order of time]' \
        '-o[Write to this file; its ending is the format\: .dot, .svg, .png, .rst, .mmd]:FILE:_files' \
        '--output[Write to this file; its ending is the format\: .dot, .svg, .png, .rst, .mmd]:FILE:_files' \
        '--view[What to draw]:VIEW:(instances classes cycle schedule)' \
        '--to[The format, whatever the output is called; dot if nothing says another]:FORMAT:(dot svg png rst mermaid)' \
        '--most[Vertices or steps to draw, the rest is counted; 0 for everything]:COUNT:' \
        '--finding[With --view schedule\: of the finding with this fingerprint, not of the first]:FINGERPRINT:' \
        '--timeout[Time for each input; 0 for no limit; what it cuts short is unknown]:SECONDS:' \
        '--memory[Memory for the solver, of all inputs together, and for explored states, at least 64; 0 for no limit; what it cuts short is unknown]:MEGABYTES:' \
        '--engine[What decides scenarios]:ENGINE:(auto smt explore)' \
        '--no-reduction[Look at every interleaving, also where reductions make it needless]' \
        '*:INPUT:_files' \
        '--help[Print help]'
      ;;
    encode)
      _arguments \
        '-o[Write to this file, not to standard output]:FILE:_files' \
        '--output[Write to this file, not to standard output]:FILE:_files' \
        '--to[The language]:FORMAT:(promela smt-lib smt-lib-plain smt-lib-cuts pnml)' \
        '1:INPUT:_files' \
        '--help[Print help]'
      ;;
    conform)
      _arguments \
        '*--report[Write a report in this format to a file, or instead of the text]:FORMAT\[=FILE\]:(text terse json sarif junit codequality github ktap tap html perfetto)' \
        '--terse[One line for each finding\: the same as --report terse]' \
        '--story[Of which findings the text tells the whole story]:WHEN:(auto always never)' \
        '--unknown[Whether an unknown answer counts for the exit status]:GATE:(fail ok)' \
        '--baseline[Known findings, which do not count\: one FINGERPRINT RULE a line]:FILE:_files' \
        '--baseline-strict[Entries of the baseline that no finding has count as findings]' \
        '--update-baseline[Write the baseline anew\: add what is new, remove what is gone]' \
        '--findings[Findings of each input to report; more are counted]:NUMBER:' \
        '--late[In traces, longer waits and later fences are findings]:SECONDS:' \
        '--timeout[Time for each input; 0 for no limit; what it cuts short is unknown]:SECONDS:' \
        '--memory[Memory for the solver, of all inputs together, and for explored states, at least 64; 0 for no limit; what it cuts short is unknown]:MEGABYTES:' \
        '--engine[What decides scenarios]:ENGINE:(auto smt explore)' \
        '--no-reduction[Look at every interleaving, also where reductions make it needless]' \
        '*:INPUT:_files' \
        '--help[Print help]'
      ;;
    verify)
      _arguments \
        '*:INPUT:_files' \
        '--help[Print help]'
      ;;
    record)
      _arguments \
        '--run[Do it, and say whether the buffers were large enough]' \
        '--locks[Record lockdep'\''s events too\: very many]' \
        '-o[Where the trace goes]:FILE:_files' \
        '--output[Where the trace goes]:FILE:_files' \
        '-b[The ring buffer of each CPU]:KILOBYTES:' \
        '--buffer[The ring buffer of each CPU]:KILOBYTES:' \
        '--tracefs[Where tracefs is mounted]:FOLDER:_files' \
        '*:COMMAND:_files' \
        '--help[Print help]'
      ;;
    explain)
      _arguments \
        '1:TOPIC:(deadlock stall livelock lost-fence lost-wakeup contract use-after-evict early-signal job-killed starvation isolation unbound-access state-divergence FDG001 FDG005 FDG006 FDG007 FDG008 FDG009 FDG011 FDG015 FDG018 FDG020 FDG021 FDG025 FDG026 FDG027 FDG028 FDG029 FDG030 FDG031 FDG032 FDG033 FDG034 FDG035 FDG040 FDG041 FDG043 FDG044 FDG045 FDG063 FDG067 LCK001 LCK002 VMB001 VMB002 CNF001 expectation unknown input cut baseline)' \
        '--help[Print help]'
      ;;
    schema)
      _arguments \
        '--help[Print help]'
      ;;
  esac
}
_fencecheck "$@"
