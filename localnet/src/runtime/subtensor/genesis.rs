//! The state a dev chain starts from, below what its accounts hold: subnets, their owners, neurons and stake.

use sp_runtime::AccountId32;

use crate::runtime::{
    numbers::{AlphaBalance, I96F32, NetUid, TaoBalance, U64F64},
    subtensor::{
        Burn, BurnHalfLife, CommitRevealWeightsEnabled, Config, FirstEmissionBlockNumber, ImmunityPeriod,
        LastEpochBlock, MaxAllowedUids, MaxAllowedValidators, MaxEpochsPerBlock, MinAllowedWeights, MinBurn,
        NetworkRegisteredAt, NetworksAdded, Pallet, ServingRateLimit, SubnetAlphaIn, SubnetIdentitiesV3,
        SubnetMechanism, SubnetMovingPrice, SubnetOwner, SubnetOwnerHotkey, SubtokenEnabled, Tempo,
        TokenSymbol, TotalNetworks, ValidatorPermit, WeightsSetRateLimit, Yuma3On, pool::DYNAMIC,
        types::SubnetIdentityV3,
    },
    swap,
};

/// A subnet that exists at genesis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Subnet {
    /// Its number.
    pub netuid: u16,
    /// Its name.
    pub name: String,
    /// The symbol of its token.
    pub symbol: String,
    /// Coldkey of its owner.
    pub owner: AccountId32,
    /// Hotkey of its owner.
    pub owner_hotkey: AccountId32,
    /// Blocks between two epochs.
    pub tempo_blocks: u16,
    /// Blocks a newcomer cannot be pruned.
    pub immunity_blocks: u16,
    /// Neurons at most.
    pub uids_max: u16,
    /// Validators at most.
    pub validators_max: u16,
    /// Weights a validator must set at least.
    pub weights_min: u16,
    /// Blocks between two weight settings of a neuron.
    pub weights_rate_limit_blocks: u64,
    /// Blocks between two changes of an endpoint; 0 is no limit.
    pub serving_rate_limit_blocks: u64,
    /// Price of the first registration, and the least it decays to, in rao.
    pub burn_rao: u64,
    /// Whether weights are committed first and revealed later.
    pub commit_reveal: bool,
    /// The pool its alpha is traded through; without one, alpha is worth one TAO and never anything else.
    pub pool: Option<Pool>,
    /// Neurons that are registered from the start.
    pub neurons: Vec<Neuron>,
}

/// What a pool holds at genesis. Its price, and the averaged price, is TAO by alpha.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Pool {
    /// TAO in rao, created for it; at least 1,000,000.
    pub tao_rao: u64,
    /// Alpha in its smallest unit; at least 1,000,000.
    pub alpha_rao: u64,
}

/// A neuron that exists at genesis.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Neuron {
    /// Its hotkey.
    pub hotkey: AccountId32,
    /// Its owner.
    pub coldkey: AccountId32,
    /// Alpha that its owner has staked to it, in its smallest unit.
    pub stake_rao: u64,
    /// Whether it may validate before the first epoch.
    pub permit: bool,
}

/// Epochs that may run in one block. A dev chain has few subnets and runs them all.
const EPOCHS_PER_BLOCK_MAX: u8 = 32;
/// Name of the root network.
const ROOT_NAME: &str = "root";

impl<T: Config> Pallet<T> {
    /// Writes the root network and the subnets.
    pub fn build_genesis(subnets: &[Subnet]) {
        MaxEpochsPerBlock::<T>::put(EPOCHS_PER_BLOCK_MAX);
        NetworksAdded::<T>::insert(NetUid::ROOT, true);
        MaxAllowedUids::<T>::insert(NetUid::ROOT, 64);
        SubtokenEnabled::<T>::insert(NetUid::ROOT, true);
        Self::found(NetUid::ROOT, None);
        Self::describe(NetUid::ROOT, ROOT_NAME, "Τ");
        TotalNetworks::<T>::put(1 + subnets.len() as u16);
        for subnet in subnets {
            Self::build_subnet(subnet);
        }
        Self::note_issuance();
    }

    /// Opens a subnet's account and fills its pool.
    fn found(netuid: NetUid, pool: Option<Pool>) {
        Self::open_subnet_account(netuid).expect("a new chain can issue TAO");
        let Some(pool) = pool else { return };
        let tao = TaoBalance::new(pool.tao_rao);
        Self::mint_to_subnet(netuid, tao).expect("a new chain can issue TAO");
        Self::grow_tao_reserve(netuid, tao);
        SubnetAlphaIn::<T>::insert(netuid, AlphaBalance::new(pool.alpha_rao));
        SubnetMechanism::<T>::insert(netuid, DYNAMIC);
        let bits = Self::reserves(netuid).price().bits.min(U64F64::ONE.bits);
        let average = I96F32::from_bits((bits >> (U64F64::FRACTION_BITS - I96F32::FRACTION_BITS)) as i128);
        SubnetMovingPrice::<T>::insert(netuid, average);
        swap::PalSwapInitialized::<T>::insert(netuid, true);
    }

    fn build_subnet(subnet: &Subnet) {
        let netuid = NetUid::new(subnet.netuid);
        NetworksAdded::<T>::insert(netuid, true);
        NetworkRegisteredAt::<T>::insert(netuid, 0);
        Self::found(netuid, subnet.pool);
        SubnetOwner::<T>::insert(netuid, &subnet.owner);
        SubnetOwnerHotkey::<T>::insert(netuid, &subnet.owner_hotkey);
        Self::describe(netuid, &subnet.name, &subnet.symbol);

        FirstEmissionBlockNumber::<T>::insert(netuid, 1);
        SubtokenEnabled::<T>::insert(netuid, true);
        Tempo::<T>::insert(netuid, subnet.tempo_blocks);
        LastEpochBlock::<T>::insert(netuid, 0);
        Yuma3On::<T>::insert(netuid, true);
        CommitRevealWeightsEnabled::<T>::insert(netuid, subnet.commit_reveal);
        ImmunityPeriod::<T>::insert(netuid, subnet.immunity_blocks);
        MaxAllowedUids::<T>::insert(netuid, subnet.uids_max);
        MaxAllowedValidators::<T>::insert(netuid, subnet.validators_max);
        MinAllowedWeights::<T>::insert(netuid, subnet.weights_min);
        WeightsSetRateLimit::<T>::insert(netuid, subnet.weights_rate_limit_blocks);
        ServingRateLimit::<T>::insert(netuid, subnet.serving_rate_limit_blocks);
        Burn::<T>::insert(netuid, TaoBalance::new(subnet.burn_rao));
        MinBurn::<T>::insert(netuid, TaoBalance::new(subnet.burn_rao));
        BurnHalfLife::<T>::insert(netuid, subnet.tempo_blocks);

        Self::associate(&subnet.owner, &subnet.owner_hotkey);
        for neuron in &subnet.neurons {
            Self::build_neuron(netuid, neuron);
        }
    }

    fn build_neuron(netuid: NetUid, neuron: &Neuron) {
        Self::associate(&neuron.coldkey, &neuron.hotkey);
        let uid = Self::seat(netuid, &neuron.hotkey, None);
        if neuron.permit {
            ValidatorPermit::<T>::mutate(netuid, |permits| permits[usize::from(uid)] = true);
        }
        if neuron.stake_rao == 0 {
            return;
        }
        let alpha = AlphaBalance::new(neuron.stake_rao);
        Self::increase_stake(&neuron.hotkey, &neuron.coldkey, netuid, alpha);
        Self::remember_staking(&neuron.coldkey, &neuron.hotkey);
        super::SubnetAlphaOut::<T>::mutate(netuid, |out| *out = out.saturating_add(alpha));
        if !Self::is_dynamic(netuid) {
            // Without a pool every alpha is backed by its TAO.
            let tao = TaoBalance::new(neuron.stake_rao);
            Self::mint_to_subnet(netuid, tao).expect("a new chain can issue TAO");
            Self::grow_tao_reserve(netuid, tao);
        }
    }

    fn describe(netuid: NetUid, name: &str, symbol: &str) {
        TokenSymbol::<T>::insert(netuid, symbol.as_bytes().to_vec());
        let identity = SubnetIdentityV3 { subnet_name: name.as_bytes().to_vec(), ..Default::default() };
        SubnetIdentitiesV3::<T>::insert(netuid, identity);
    }
}
