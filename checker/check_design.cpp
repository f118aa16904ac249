#include "checker/check_design.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "checker/contracts.hpp"
#include "checker/decide.hpp"
#include "checker/prove.hpp"
#include "graph/input/lower.hpp"
#include "graph/input/read_yaml.hpp"

namespace fencecheck {
namespace {

// Nothing where so many instances make no sense: then no larger number does.
std::optional<System> with_instances(const Source& source, std::uint32_t instances) {
  Diagnostics diagnostics;
  const std::optional<Scenario> scenario = read_yaml(source, diagnostics, {instances});
  return scenario ? lower(*scenario, diagnostics) : std::nullopt;
}

bool is_unknown(const Decision& decision) {
  return std::ranges::any_of(decision.answers, [](const Answer& each) { return each.verdict == Verdict::unknown; });
}

// What holds for some instances does not hold for any number.
void weaken(Decision& decision, std::uint32_t instances, const std::string& why_not) {
  for (Answer& answer : decision.answers) {
    if (answer.verdict == Verdict::violated) {
      const std::string with = fmt::format("with {} of each template", quantity(instances, "instance"));
      answer.reason = answer.reason.empty() ? with : with + "; " + answer.reason;
      continue;
    }
    const std::string bound = fmt::format("no counterexample up to {}", quantity(instances, "instance"));
    answer.reason = answer.verdict == Verdict::unknown ? fmt::format("{}; {}", answer.reason, why_not)
                                                       : fmt::format("{}; {}", bound, why_not);
    answer.verdict = Verdict::unknown;
  }
}

DesignDecision proved(const Source& source, const Proof& proof) {
  std::optional<System> system = with_instances(source, instances_of_many);
  if (!system) throw std::logic_error("a design that was read cannot be read again");
  DesignDecision result{{}, std::move(*system), {}, instances_of_many, true};
  result.graph = dependencies(result.system);
  result.decision.answers.push_back(
      {"deadlock-freedom", Verdict::holds,
       fmt::format("for any number of instances: {} in an order that no wait goes against, as its checker confirms",
                   quantity(proof.certificate->classes.size(), "class of obligations", "classes of obligations"))});
  result.decision.findings = broken_contracts(result.system, result.graph);
  Answer contract{"contract", Verdict::holds, fmt::format("{}, for any number of instances", static_rules)};
  if (!result.decision.findings.empty())
    contract = {"contract", Verdict::violated,
                fmt::format("with {} of each template", quantity(instances_of_many, "instance"))};
  else if (std::ranges::any_of(proof.systems, may_depend_on_userspace))
    contract = {"contract", Verdict::unknown, "with more instances a kernel fence may depend on userspace"};
  result.decision.answers.push_back(std::move(contract));
  return result;
}

}  // namespace

DesignDecision decide_design(const Source& source, const Budget& budget) {
  const Proof proof = prove(source);
  if (proof.certificate) return proved(source, proof);
  std::optional<DesignDecision> last;
  std::string why_not = "no certificate for any number: " + proof.why_not;
  for (std::uint32_t instances = 1; instances <= most_instances; ++instances) {
    std::optional<System> system = with_instances(source, instances);
    if (!system) {
      why_not = fmt::format("with {} the design makes no sense; {}", quantity(instances, "instance"), why_not);
      break;
    }
    SystemGraph graph = dependencies(*system);
    Decision decision = decide(*system, graph, budget);
    const bool found = !decision.findings.empty();
    const bool open = is_unknown(decision);
    if (last && open && !found) {
      why_not = fmt::format("with {} not decided; {}", quantity(instances, "instance"), why_not);
      break;
    }
    last = DesignDecision{std::move(decision), std::move(*system), std::move(graph), instances, false};
    if (found || open) break;
  }
  if (!last) throw std::logic_error("a design that was read cannot be read with one instance");
  weaken(last->decision, last->instances, why_not);
  return std::move(*last);
}

}  // namespace fencecheck
