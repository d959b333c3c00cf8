//! What coldkeys and subnets tell about themselves.

use frame_support::{dispatch::DispatchResult, ensure};
use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::NetUid,
    subtensor::{
        Config, Error, Event, IdentitiesV2, IsNetworkMember, NetworksAdded, OwnedHotkeys, Pallet,
        SubnetIdentitiesV3, SubnetOwner,
        types::{ChainIdentityV2, SubnetIdentityV3},
    },
};

/// Bytes of a name or a link.
const SHORT_BYTES_MAX: usize = 256;
/// Bytes of a text.
const LONG_BYTES_MAX: usize = 1_024;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_set_identity(coldkey: &AccountId32, identity: ChainIdentityV2) -> DispatchResult {
        let registered = OwnedHotkeys::<T>::get(coldkey)
            .iter()
            .any(|hotkey| IsNetworkMember::<T>::iter_prefix(hotkey).any(|(_, member)| member));
        ensure!(registered, Error::<T>::HotKeyNotRegisteredInNetwork);
        ensure!(identity.fits(), Error::<T>::InvalidIdentity);
        IdentitiesV2::<T>::insert(coldkey, identity);
        Self::deposit_event(Event::ChainIdentitySet(coldkey.clone()));
        Ok(())
    }

    pub(crate) fn do_set_subnet_identity(
        coldkey: &AccountId32,
        netuid: NetUid,
        identity: SubnetIdentityV3,
    ) -> DispatchResult {
        ensure!(NetworksAdded::<T>::get(netuid), Error::<T>::SubnetNotExists);
        ensure!(SubnetOwner::<T>::get(netuid) == *coldkey, Error::<T>::NotSubnetOwner);
        ensure!(identity.fits(), Error::<T>::InvalidIdentity);
        SubnetIdentitiesV3::<T>::insert(netuid, identity);
        Self::deposit_event(Event::SubnetIdentitySet(netuid));
        Ok(())
    }
}

impl ChainIdentityV2 {
    /// Whether no field is too long.
    fn fits(&self) -> bool {
        let short = [&self.name, &self.url, &self.github_repo, &self.discord];
        let long = [&self.image, &self.description, &self.additional];
        within(&short, SHORT_BYTES_MAX) && within(&long, LONG_BYTES_MAX)
    }
}

impl SubnetIdentityV3 {
    /// Whether no field is too long.
    pub(crate) fn fits(&self) -> bool {
        let short = [&self.subnet_name, &self.discord];
        let long = [
            &self.github_repo,
            &self.subnet_contact,
            &self.subnet_url,
            &self.description,
            &self.logo_url,
            &self.additional,
        ];
        within(&short, SHORT_BYTES_MAX) && within(&long, LONG_BYTES_MAX)
    }
}

fn within(fields: &[&Vec<u8>], bytes_max: usize) -> bool {
    fields.iter().all(|field| field.len() <= bytes_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_fits_up_to_the_last_byte_of_each_field() {
        let mut identity = SubnetIdentityV3 { subnet_name: vec![b'n'; 256], ..Default::default() };
        identity.description = vec![b'd'; 1_024];
        assert!(identity.fits());
        identity.discord = vec![b'd'; 257];
        assert!(!identity.fits());
        assert!(!ChainIdentityV2 { image: vec![0; 1_025], ..Default::default() }.fits());
    }
}
