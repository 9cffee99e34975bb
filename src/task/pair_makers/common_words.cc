// The closed lists of number pairs: common English words whose two forms differ.
#include <sstream>

#include "task/pair_makers/words.h"

namespace circuit {
namespace {

// The plural is the singular and an s.
constexpr const char* kRegularNouns =
    "actor animal answer apple artist aunt author ball banker bear bed bell bird boat book bottle boy bridge brother "
    "building cabinet cake camera captain car castle cat chair chef clerk clock cloud coat computer consultant cousin "
    "cow "
    "cup customer dancer daughter desk doctor dog doll door dragon drawer driver duck egg engine engineer executive "
    "farm "
    "farmer father field flower friend game garden gate girl guard guest hat hill horse hospital hotel house hunter "
    "idea "
    "island judge key king kitten lake lamp law lawyer leader letter lion machine manager minister monkey mother "
    "mountain "
    "neighbor neighbour nurse office officer owner painter painting parent pen phone picture pig pilot plan plane "
    "plant "
    "plate player poem poet pond president prince prisoner problem queen question rabbit reason report ring river road "
    "rock roof room rule sailor school scientist senator servant ship shirt shoe shop sign singer sister skater "
    "soldier "
    "son song spoon star stone stranger street student surgeon table teacher ticket tower town toy train tree truck "
    "uncle "
    "village visitor wall window winner wizard word worker writer";

constexpr const char* kOtherNouns =
    "actress:actresses baby:babies boss:bosses box:boxes bus:buses child:children church:churches city:cities "
    "country:countries dress:dresses family:families fox:foxes glass:glasses knife:knives lady:ladies leaf:leaves "
    "man:men mouse:mice person:people princess:princesses puppy:puppies secretary:secretaries story:stories wife:wives "
    "witch:witches wolf:wolves woman:women";

}  // namespace

WordPairs common_nouns() {
  WordPairs nouns;
  std::istringstream regular(kRegularNouns);
  for (std::string noun; regular >> noun;) nouns.add(noun, noun + "s");
  std::istringstream others(kOtherNouns);
  for (std::string pair; others >> pair;) {
    nouns.add(pair.substr(0, pair.find(':')), pair.substr(pair.find(':') + 1));
  }
  return nouns;
}

WordPairs common_verbs() {
  WordPairs verbs;
  verbs.add("is", "are");
  verbs.add("was", "were");
  verbs.add("has", "have");
  verbs.add("does", "do");
  return verbs;
}

}  // namespace circuit
