// A block of lines in a terminal that is drawn over itself. The cursor is hidden meanwhile.
#pragma once

#include <cstddef>
#include <string>

namespace circuit {

class Screen {
 public:
  Screen();
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // Lines end in \n. What is wider or higher than the terminal on stdout is cut off.
  void draw(const std::string& text);

 private:
  size_t lines_ = 0;  // drawn, above the cursor
};

}  // namespace circuit
