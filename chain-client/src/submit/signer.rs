//! subxt's signer for our key pairs.

use protocol::signing::{Domain, Keypair};
use subxt::tx::Signer;
use subxt::utils::{AccountId32, MultiSignature};

use crate::client::Chain;

/// Signs extrinsics. The payload says itself what it is, so [`Domain::Extrinsic`] adds nothing to it.
pub(crate) struct ExtrinsicSigner<'a>(pub(crate) &'a Keypair);

impl Signer<Chain> for ExtrinsicSigner<'_> {
    fn account_id(&self) -> AccountId32 {
        AccountId32(self.0.public().0)
    }

    fn sign(&self, payload: &[u8]) -> MultiSignature {
        MultiSignature::Sr25519(self.0.sign(Domain::Extrinsic, payload).0)
    }
}
