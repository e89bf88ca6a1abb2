// Reads parts of a file. It is not mapped: if another program cuts a mapped file short, its reader is killed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace mt {

class File {
 public:
  // Opens for reading. Throws FILE_READ naming the file and the system's reason.
  explicit File(std::string path);
  ~File();
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  const std::string& path() const { return path_; }

  // Reads exactly `bytes` at `offset`. If the file ends before, throws FILE_READ with the sizes found and expected.
  void read(uint64_t offset, void* to, size_t bytes) const;

 private:
  std::string path_;
  int descriptor_ = -1;
};

}  // namespace mt
