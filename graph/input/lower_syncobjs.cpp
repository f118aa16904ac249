// Lowerings of syncobjs: containers that hold a fence, or one for each point of a timeline.
//
// Each point is a reservation object with what it holds, a variable that says whether it holds anything, and a proxy
// fence that signals when it does for the first time.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "graph/input/lowering.hpp"

namespace fencecheck::lowering {
namespace {
constexpr Milliseconds submit_timeout{5'000};  // drm_syncobj_find_fence
}

void Lowering::declare_syncobjs() {
  first_syncobj_reservation_ = static_cast<std::uint32_t>(system_.reservations.size());
  first_syncobj_variable_ = static_cast<std::uint32_t>(system_.variables.size());
  first_syncobj_fence_ = static_cast<std::uint32_t>(system_.fences.size());
  std::uint32_t next = 0;
  for (const SyncobjDeclaration& declared : scenario_.syncobjs) {
    symbols_.declare(declared.name, SymbolKind::syncobj, static_cast<std::uint32_t>(syncobjs_.size()));
    const std::uint32_t points = std::max(declared.points, 1U);
    syncobjs_.push_back({next, declared.points, std::vector<unsigned>(points, 0)});
    next += points;
    for (std::uint32_t i = 1; i <= points; ++i) {
      const std::string name = declared.points == 0 ? declared.name.text : fmt::format("{}:{}", declared.name.text, i);
      system_.reservations.push_back({name, declared.name.at});
      system_.variables.push_back({fmt::format("{} holds a fence", name), 0, declared.name.at});
      system_.fences.push_back({fmt::format("a fence in {}", name), FenceKind::proxy, true, declared.name.at});
    }
  }
  if (syncobjs_.empty()) return;
  const auto written = [&](const Name& name) {
    if (const auto point = syncobj(name)) ++syncobjs_[point->syncobj].writers[point->point];
  };
  for_each_step(scenario_, [&](const StepDeclaration& step) {
    if (const auto* submit = std::get_if<SubmitStep>(&step.what)) std::ranges::for_each(submit->out_syncobjs, written);
    if (const auto* bind = std::get_if<VmBindStep>(&step.what)) std::ranges::for_each(bind->out_syncobjs, written);
    if (const auto* transfer = std::get_if<TransferStep>(&step.what)) written(transfer->to);
  });
}

std::optional<SyncobjPoint> Lowering::syncobj(const Name& name) {
  const std::size_t colon = name.text.find(':');
  const auto index = symbols_.find({name.text.substr(0, colon), name.at}, SymbolKind::syncobj);
  if (!index) return std::nullopt;
  const std::uint32_t points = syncobjs_[*index].points;
  if (colon == std::string::npos && points == 0) return SyncobjPoint{*index, 0};
  std::uint32_t point = 0;
  const char* end = name.text.data() + name.text.size();
  const bool read = colon != std::string::npos &&
                    std::from_chars(name.text.data() + colon + 1, end, point).ptr == end && point >= 1 &&
                    point <= points;
  if (read) return SyncobjPoint{*index, point - 1};
  diagnostics_.error(name.at, points == 0
                                  ? fmt::format("syncobj '{}' is binary: it has no points", name.text.substr(0, colon))
                                  : fmt::format("syncobj '{}' has points 1 to {}", name.text.substr(0, colon), points));
  return std::nullopt;
}

ReservationId Lowering::reservation_of(const SyncobjPoint& point) const {
  return {first_syncobj_reservation_ + syncobjs_[point.syncobj].first + point.point};
}

VariableId Lowering::variable_of(const SyncobjPoint& point) const {
  return {first_syncobj_variable_ + syncobjs_[point.syncobj].first + point.point};
}

FenceId Lowering::appearance_of(const SyncobjPoint& point) const {
  return {first_syncobj_fence_ + syncobjs_[point.syncobj].first + point.point};
}

// Until one of these points, or a later one of the same syncobj, holds a fence.
void Lowering::await_fence(Program& program, const Frame& frame, Place at, const std::vector<SyncobjPoint>& points,
                           const std::optional<Milliseconds>& timeout, OpenEnds& given_up) {
  Wait wait{{}, Join::any};
  for (const SyncobjPoint& point : points)
    for (std::uint32_t i = point.point; i < syncobjs_[point.syncobj].writers.size(); ++i)
      wait.fences.push_back(appearance_of({point.syncobj, i}));
  const StepIndex step = add(program, frame, at, Cause::userspace, std::move(wait));
  if (!timeout) return;
  program[step].timeout = Timeout{*timeout, 0};
  const OpenEnds late = Program::timeout_of(step);
  given_up.insert(given_up.end(), late.begin(), late.end());
}

// The container of the first point from this one on that holds a fence, and those before it: a chain signals in order.
void Lowering::look_up(Program& program, const Frame& frame, Place at, const SyncobjPoint& point,
                       const std::function<void(ReservationId)>& each, OpenEnds& missing) {
  const auto points = static_cast<std::uint32_t>(syncobjs_[point.syncobj].writers.size());
  OpenEnds found;
  for (std::uint32_t i = point.point; i < points; ++i) {
    const VariableId holds = variable_of({point.syncobj, i});
    Choose choose{{Branch{{{holds, 0, true}}, std::nullopt}, Branch{{{holds, 0, false}}, std::nullopt}}};
    const StepIndex test = add(program, frame, at, Cause::explicit_sync, std::move(choose));
    (void)program.take_ends();
    program.from(Program::branch_of(test, 1));
    for (std::uint32_t k = 0; k <= i; ++k) each(reservation_of({point.syncobj, k}));
    const OpenEnds ends = program.take_ends();
    found.insert(found.end(), ends.begin(), ends.end());
    program.from(Program::branch_of(test, 0));
  }
  const OpenEnds empty = program.take_ends();
  missing.insert(missing.end(), empty.begin(), empty.end());
  program.from(std::move(found));
}

void Lowering::look_up_all(Program& program, const Frame& frame, Place at, const std::vector<Name>& names,
                           bool wait_for_submit, DependencySetId set, OpenEnds& refused) {
  for (const Name& name : names) {
    const auto point = syncobj(name);
    if (!point) continue;
    if (wait_for_submit) {
      if (!program.held.empty())
        breach(Rule::wait_for_submit_under_lock, at, frame.thread, fmt::format("a fence in syncobj '{}'", name.text),
               fmt::format("'{}' waits with locks held until syncobj '{}' holds a fence", frame.thread, name.text));
      await_fence(program, frame, at, {*point}, submit_timeout, refused);
    }
    look_up(
        program, frame, at, *point,
        [&](ReservationId from) {
          add(program, frame, at, Cause::explicit_sync, Collect{from, Usage::bookkeep, set});
        },
        refused);
  }
}

void Lowering::tell_appearance(Program& program, const Frame& frame, Place at, const SyncobjPoint& point) {
  add(program, frame, at, Cause::explicit_sync, Assign{variable_of(point), 1});
  add(program, frame, at, Cause::explicit_sync, Signal{{appearance_of(point)}});
}

void Lowering::hold_fence(Program& program, const Frame& frame, Place at, const std::vector<Name>& names,
                          FenceId fence) {
  for (const Name& name : names) {
    const auto point = syncobj(name);
    if (!point) continue;
    if (user_controlled(fence)) {
      diagnostics_.error(name.at, fmt::format("'{}' is a {} fence; a syncobj holds kernel fences", system_[fence].name,
                                              info(system_[fence].kind).id));
      continue;
    }
    const bool replaces = syncobjs_[point->syncobj].writers[point->point] > 1;
    add(program, frame, at, Cause::explicit_sync, Attach{reservation_of(*point), fence, Usage::bookkeep, replaces});
    tell_appearance(program, frame, at, *point);
  }
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const WaitSyncobjStep& step) {
  if (!program.held.empty())
    breach(Rule::wait_for_submit_under_lock, at, frame.thread, "what userspace has yet to submit",
           fmt::format("'{}' waits for syncobjs with locks held", frame.thread));
  std::vector<SyncobjPoint> points;
  for (const Name& name : step.syncobjs)
    if (const auto point = syncobj(name)) points.push_back(*point);
  if (points.size() != step.syncobjs.size()) return;
  const bool any = step.join == Join::any && points.size() > 1;
  OpenEnds over;
  const auto await = [&](const std::vector<SyncobjPoint>& some) {
    await_fence(program, frame, at, some, step.timeout, over);
    if (step.interruptible) program[program.size() - 1].interruptible = *step.interruptible;
  };
  if (any && step.wait_for_submit && !step.available) {
    diagnostics_.error(at, "a wait for any of several is covered for syncobjs that hold a fence, or with 'available'");
    return;
  }
  if (any && step.available)
    await(points);
  else if (step.wait_for_submit || step.available)
    for (const SyncobjPoint& point : points) await({point});
  if (!step.available) wait_for_held(program, frame, at, step, points, over);
  program.join(over);
}

// For the fences that all of them hold now, or one of them; over at once if one is empty.
void Lowering::wait_for_held(Program& program, const Frame& frame, Place at, const WaitSyncobjStep& step,
                             const std::vector<SyncobjPoint>& points, OpenEnds& empty) {
  std::vector<DependencySetId> sets;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (sets.empty() || step.join == Join::any)
      sets.push_back(new_set(step.join == Join::any ? fmt::format("syncobj '{}'", step.syncobjs[i].text)
                                                    : fmt::format("the syncobjs on line {}", at.line),
                             at));
    look_up(
        program, frame, at, points[i],
        [&](ReservationId from) {
          add(program, frame, at, Cause::explicit_sync, Collect{from, Usage::bookkeep, sets.back()});
        },
        empty);
  }
  const Cause cause = frame.kind == ThreadKind::user ? Cause::userspace : Cause::explicit_sync;
  for (std::size_t i = 1; features_.triggers && i < sets.size(); ++i)
    add(program, frame, at, Cause::explicit_sync, Trigger{sets[i]});
  const StepIndex wait = add_wait_set(program, frame, at, cause_of_wait(frame, cause), sets.front());
  std::get<WaitSet>(program[wait].action).others.assign(sets.begin() + 1, sets.end());
  limit_wait(program, step.timeout, step.interruptible);
}

void Lowering::lower_what(Program& program, const Frame& frame, Place at, const TransferStep& step) {
  const auto from = syncobj(step.from);
  const auto to = syncobj(step.to);
  if (!from || !to) return;
  OpenEnds empty;
  look_up(
      program, frame, at, *from,
      [&](ReservationId source) {
        add(program, frame, at, Cause::explicit_sync, Inherit{source, reservation_of(*to)});
      },
      empty);
  if (syncobjs_[to->syncobj].writers[to->point] > 1)
    diagnostics_.error(step.to.at, fmt::format("'{}' gets a fence elsewhere as well: a transfer into it is not covered",
                                               step.to.text));
  tell_appearance(program, frame, at, *to);
  program.join(empty);
}

// Whoever looks from now on finds nothing, and whoever waits until there is something waits anew.
void Lowering::lower_what(Program& program, const Frame& frame, Place at, const ResetSyncobjStep& step) {
  for (const Name& name : step.syncobjs) {
    const auto index = symbols_.find(name, SymbolKind::syncobj);
    if (!index) continue;
    for (std::uint32_t i = 0; i < syncobjs_[*index].writers.size(); ++i) {
      const VariableId holds = variable_of({*index, i});
      OpenEnds empty;
      go_on_if(program, frame, at, {holds, 0, false}, empty);
      add(program, frame, at, Cause::explicit_sync, Assign{holds, 0});
      add(program, frame, at, Cause::explicit_sync, Renew{appearance_of({*index, i})});
      program.join(empty);
    }
  }
}

}  // namespace fencecheck::lowering
