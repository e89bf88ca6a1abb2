// Calls pread until all bytes are there.
#include "file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"

namespace mt {
namespace {

// macOS refuses reads of 2 GiB and more; Linux cuts them.
constexpr size_t kMaxRead = size_t{1} << 30;

[[noreturn]] void fail(const std::string& path, const std::string& what) {
  throw Error(ErrorCode::FILE_READ, path + ": " + what);
}

}  // namespace

File::File(std::string path) : path_(std::move(path)) {
  // Without O_NONBLOCK, opening a named pipe would wait; it is refused below.
  descriptor_ = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) fail(path_, std::string("cannot be opened: ") + std::strerror(errno));
  struct stat info;
  if (fstat(descriptor_, &info) != 0 || !S_ISREG(info.st_mode)) {
    close(descriptor_);
    fail(path_, "is not a regular file");
  }
}

File::~File() { close(descriptor_); }

void File::read(uint64_t offset, void* to, size_t bytes) const {
  size_t done = 0;
  while (done < bytes) {
    const ssize_t n = pread(descriptor_, static_cast<char*>(to) + done, std::min(bytes - done, kMaxRead),
                            static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, std::string("cannot be read: ") + std::strerror(errno));
    if (n == 0) {
      fail(path_, "ends after " + std::to_string(offset + done) + " bytes; at least " + std::to_string(offset + bytes) +
                      " were expected. Was it cut short, or changed while it was read?");
    }
    done += static_cast<size_t>(n);
  }
}

}  // namespace mt
