# made from the tables in checker/option_table.cpp; do not edit
_fencecheck() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]-}
  COMPREPLY=()
  # '=' is a word of its own: --report = sarif
  if [[ $previous == '=' ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi
  if [[ $current == '=' ]]; then current=''; fi
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'check draw encode conform verify record explain schema --help --version' -- "$current")
    return
  fi
  case $command:$previous in
    check:--report)
      mapfile -t COMPREPLY < <(compgen -W 'text terse json sarif junit codequality github ktap tap html perfetto' -- "$current")
      return
      ;;
    check:--story)
      mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$current")
      return
      ;;
    check:--unknown)
      mapfile -t COMPREPLY < <(compgen -W 'fail ok' -- "$current")
      return
      ;;
    check:--certificate)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    check:--baseline)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    check:--findings)
      COMPREPLY=()
      return
      ;;
    check:--late)
      COMPREPLY=()
      return
      ;;
    check:--window)
      COMPREPLY=()
      return
      ;;
    check:-j | check:--jobs)
      COMPREPLY=()
      return
      ;;
    check:--timeout)
      COMPREPLY=()
      return
      ;;
    check:--memory)
      COMPREPLY=()
      return
      ;;
    check:--engine)
      mapfile -t COMPREPLY < <(compgen -W 'auto smt explore' -- "$current")
      return
      ;;
    draw:--late)
      COMPREPLY=()
      return
      ;;
    draw:-o | draw:--output)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    draw:--view)
      mapfile -t COMPREPLY < <(compgen -W 'instances classes cycle schedule' -- "$current")
      return
      ;;
    draw:--to)
      mapfile -t COMPREPLY < <(compgen -W 'dot svg png rst mermaid' -- "$current")
      return
      ;;
    draw:--most)
      COMPREPLY=()
      return
      ;;
    draw:--finding)
      COMPREPLY=()
      return
      ;;
    draw:--timeout)
      COMPREPLY=()
      return
      ;;
    draw:--memory)
      COMPREPLY=()
      return
      ;;
    draw:--engine)
      mapfile -t COMPREPLY < <(compgen -W 'auto smt explore' -- "$current")
      return
      ;;
    encode:-o | encode:--output)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    encode:--to)
      mapfile -t COMPREPLY < <(compgen -W 'promela smt-lib smt-lib-plain smt-lib-cuts pnml' -- "$current")
      return
      ;;
    conform:--report)
      mapfile -t COMPREPLY < <(compgen -W 'text terse json sarif junit codequality github ktap tap html perfetto' -- "$current")
      return
      ;;
    conform:--story)
      mapfile -t COMPREPLY < <(compgen -W 'auto always never' -- "$current")
      return
      ;;
    conform:--unknown)
      mapfile -t COMPREPLY < <(compgen -W 'fail ok' -- "$current")
      return
      ;;
    conform:--baseline)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    conform:--findings)
      COMPREPLY=()
      return
      ;;
    conform:--late)
      COMPREPLY=()
      return
      ;;
    conform:--timeout)
      COMPREPLY=()
      return
      ;;
    conform:--memory)
      COMPREPLY=()
      return
      ;;
    conform:--engine)
      mapfile -t COMPREPLY < <(compgen -W 'auto smt explore' -- "$current")
      return
      ;;
    record:-o | record:--output)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    record:-b | record:--buffer)
      COMPREPLY=()
      return
      ;;
    record:--tracefs)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
  esac
  case $command:$current in
    check:-*) mapfile -t COMPREPLY < <(compgen -W '--help --report --terse --story --unknown --certificate --baseline --baseline-strict --update-baseline --findings --late --window --timing -j --jobs --watch --combine --merge --timeout --memory --engine --no-reduction' -- "$current") ;;
    check:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    draw:-*) mapfile -t COMPREPLY < <(compgen -W '--help --late --merge -o --output --view --to --most --finding --timeout --memory --engine --no-reduction' -- "$current") ;;
    draw:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    encode:-*) mapfile -t COMPREPLY < <(compgen -W '--help -o --output --to' -- "$current") ;;
    encode:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    conform:-*) mapfile -t COMPREPLY < <(compgen -W '--help --report --terse --story --unknown --baseline --baseline-strict --update-baseline --findings --late --timeout --memory --engine --no-reduction' -- "$current") ;;
    conform:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    verify:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$current") ;;
    verify:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    record:-*) mapfile -t COMPREPLY < <(compgen -W '--help --run --locks -o --output -b --buffer --tracefs' -- "$current") ;;
    record:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    explain:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$current") ;;
    explain:*) mapfile -t COMPREPLY < <(compgen -W 'deadlock stall livelock lost-fence lost-wakeup contract use-after-evict early-signal job-killed starvation isolation unbound-access state-divergence FDG001 FDG005 FDG006 FDG007 FDG008 FDG009 FDG011 FDG015 FDG018 FDG020 FDG021 FDG025 FDG026 FDG027 FDG028 FDG029 FDG030 FDG031 FDG032 FDG033 FDG034 FDG035 FDG040 FDG041 FDG043 FDG044 FDG045 FDG063 FDG067 LCK001 LCK002 VMB001 VMB002 CNF001 expectation unknown input cut baseline' -- "$current") ;;
    schema:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$current") ;;
  esac
}
complete -o filenames -F _fencecheck fencecheck
