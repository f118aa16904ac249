// Names of what an instance of a template owns: "client[2].done".
//
// The class of an object is its name without the number: "client.done". What no
// instance owns is a class of its own.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fencecheck {

struct InstanceName {
  std::string class_name;   // "client.done"
  std::string template_of;  // "client"; empty: no instance owns it
  std::uint32_t index = 0;  // from 1; 0: no instance owns it
};

// Of any name made from that of an object, such as "timer of 'client[2].done'".
[[nodiscard]] InstanceName instance_name(std::string_view name);

// "client[2].done"
[[nodiscard]] std::string name_in_instance(std::string_view template_name, std::uint32_t index,
                                           std::string_view object);

}  // namespace fencecheck
