// Of libtorch 1.13, as Debian builds it: on OpenBLAS, whose kernels the program chooses (cli/kernels.h).
#include "model/onednn_products.h"

namespace circuit {

void use_onednn_products() {}
bool are_products_onednn() { return false; }
void prepare_onednn_products() {}
OnednnProductsAs::OnednnProductsAs(bool /*chosen*/) : before_(false) {}
OnednnProductsAs::~OnednnProductsAs() = default;

}  // namespace circuit
