# made from the tables in checker/option_table.cpp; do not edit
_fencecheck() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]-}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W 'check draw explain schema --help --version' -- "$current")
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
    check:--baseline)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return
      ;;
    check:--findings)
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
  esac
  case $command:$current in
    check:-*) mapfile -t COMPREPLY < <(compgen -W '--help --report --terse --story --unknown --baseline --baseline-strict --update-baseline --findings --timing -j --jobs --watch --timeout --memory --no-reduction' -- "$current") ;;
    check:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    draw:-*) mapfile -t COMPREPLY < <(compgen -W '--help -o --output --view --to --most --finding --timeout --memory --no-reduction' -- "$current") ;;
    draw:*) mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    explain:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$current") ;;
    explain:*) mapfile -t COMPREPLY < <(compgen -W 'deadlock stall livelock lost-fence lost-wakeup contract use-after-evict early-signal job-killed starvation isolation FDG020 FDG040 FDG041' -- "$current") ;;
    schema:-*) mapfile -t COMPREPLY < <(compgen -W '--help' -- "$current") ;;
  esac
}
complete -o filenames -F _fencecheck fencecheck
