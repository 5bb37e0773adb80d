//===- Arguments.h - Command lines of the small tools -----------*- C++ -*-===//
//
// Part of Ternac, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
//===----------------------------------------------------------------------===//
//
// The tools that only run models do not link LLVM, so they cannot use its
// command line library. This one is much smaller: options are declared once,
// with the variable they fill, and parsing, checks and --help follow from that.
//
//===----------------------------------------------------------------------===//

#ifndef TERNAC_SUPPORT_ARGUMENTS_H
#define TERNAC_SUPPORT_ARGUMENTS_H

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ternac {

/// The options of one tool. `--name=value`, `--name value`, `-n value` and
/// `-n=value` are the same; a word without a dash is a positional argument.
/// Variables keep their value, the default, unless the option is given. An
/// option with a value is given once, unless it is said to add one each time.
class Arguments {
public:
  /// `overview` is one sentence for --help.
  Arguments(std::string_view tool, std::string_view version,
            std::string_view overview);
  // The options of --help and --version hold references to this object.
  Arguments(const Arguments &) = delete;
  Arguments &operator=(const Arguments &) = delete;

  /// An argument without a name; it must be given if `required`.
  void positional(std::string_view metavar, std::string &variable,
                  std::string_view help, bool required = true);

  // Names are without dashes; one letter gets one dash. `metavar` stands for
  // the value in --help; `help` is one line and names the default.

  /// No value; sets the variable.
  void flag(std::string_view name, bool &variable, std::string_view help);
  void option(std::string_view name, std::string_view metavar,
              std::string &variable, std::string_view help);
  /// Each time it is given adds one value.
  void option(std::string_view name, std::string_view metavar,
              std::vector<std::string> &variable, std::string_view help);
  /// The value may be left out, and follows "=" if it is there.
  void optionalValue(std::string_view name, std::string_view metavar,
                     std::optional<std::string> &variable,
                     std::string_view help);
  /// A number between `low` and `high`.
  void option(std::string_view name, std::string_view metavar,
              uint32_t &variable, uint32_t low, uint32_t high,
              std::string_view help);
  void option(std::string_view name, std::string_view metavar,
              uint64_t &variable, std::string_view help);
  /// Any finite number; the tool checks its range.
  void option(std::string_view name, std::string_view metavar, float &variable,
              std::string_view help);
  /// Numbers from `low` up, at least one, separated by commas.
  void list(std::string_view name, std::string_view metavar,
            std::vector<int32_t> &variable, int32_t low, std::string_view help);
  /// The same, and each time it is given adds one list.
  void list(std::string_view name, std::string_view metavar,
            std::vector<std::vector<int32_t>> &variable, int32_t low,
            std::string_view help);
  /// Another name for the option declared last.
  void alias(std::string_view name);

  /// Fills the variables. Returns the exit status of the process if it shall
  /// end here: 0 after --help or --version, 1 after an error, which has been
  /// printed to stderr.
  std::optional<int> parse(int argc, const char *const *argv);

  /// Prints "error: ..." to stderr and returns the exit status 1.
  [[gnu::format(printf, 1, 2)]] static int error(const char *format, ...);

private:
  /// Takes a value; the result says what was expected if it is no such value.
  using Setter = std::function<std::string(std::string_view)>;
  enum class Value { None, Optional, Required };
  struct Option {
    std::vector<std::string> names; ///< with dashes
    std::string metavar, help;
    Value value;
    Setter set;
    bool repeats = false; ///< each time it is given adds a value
  };
  struct Positional {
    std::string metavar, help;
    std::string *variable;
    bool required;
  };

  void add(std::string_view name, std::string_view metavar, Value value,
           std::string_view help, Setter set);
  const Option *find(std::string_view name) const;
  int unknown(std::string_view name) const;
  void printHelp() const;

  std::string tool, version, overview;
  std::vector<Option> options;
  std::vector<Positional> positionals;
  bool showHelp = false, showVersion = false;
};

/// Whether a file may be renamed to `path`, which is how output is written: not
/// where a device, a pipe or a socket would be gone then.
bool isReplaceable(const std::string &path);

} // namespace ternac

#endif // TERNAC_SUPPORT_ARGUMENTS_H
