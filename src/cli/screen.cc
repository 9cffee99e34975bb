#include "cli/screen.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace circuit {
namespace {

constexpr size_t kColumns = 80;  // where the terminal does not say
constexpr size_t kRows = 24;

// As much of a line as fits: code points, each taken for one column.
std::string cut(const std::string& line, size_t columns) {
  size_t width = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    if ((static_cast<unsigned char>(line[i]) & 0xC0) != 0x80 && width++ == columns) return line.substr(0, i);
  }
  return line;
}

void put(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

}  // namespace

Screen::Screen() { put("\x1b[?25l"); }
Screen::~Screen() { put("\x1b[?25h"); }

void Screen::draw(const std::string& text) {
  winsize size{};
  const bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 && size.ws_row > 1;
  const size_t columns = known ? size.ws_col - 1 : kColumns - 1;
  const size_t rows = known ? size.ws_row - 1 : kRows - 1;
  std::string frame = lines_ > 0 ? fmt::format("\x1b[{}A\r", lines_) : "\r";
  lines_ = 0;
  for (size_t begin = 0; begin < text.size() && lines_ < rows; ++lines_) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    frame += cut(text.substr(begin, end - begin), columns) + "\x1b[K\n";
    begin = end + 1;
  }
  put(frame + "\x1b[J");
}

}  // namespace circuit
