#include "encoders/encode.hpp"

#include "encoders/encodable.hpp"
#include "encoders/pnml.hpp"
#include "encoders/promela.hpp"
#include "encoders/smt_lib.hpp"
#include "graph/model/system.hpp"

namespace fencecheck {

std::string not_sayable(const System& system, Encoding encoding) {
  switch (encoding) {
    case Encoding::promela:
      return not_in_promela(system);
    case Encoding::pnml:
      return not_in_pnml(system);
    case Encoding::smt_lib:
    case Encoding::smt_lib_plain:
    case Encoding::smt_lib_cuts:
      return not_encodable(system);
  }
  return {};
}

std::string encode(const System& system, Encoding encoding) {
  switch (encoding) {
    case Encoding::promela:
      return to_promela(system);
    case Encoding::smt_lib:
      return to_smt_lib(system, Precision::executions);
    case Encoding::smt_lib_plain:
      return to_smt_lib(system, Precision::plain);
    case Encoding::smt_lib_cuts:
      return to_smt_lib(system, Precision::cuts);
    case Encoding::pnml:
      return to_pnml(system);
  }
  return {};
}

}  // namespace fencecheck
