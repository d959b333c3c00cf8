//! The calls, with the indices, argument names and types of the real runtime. What each does stands in `setters/`.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod dispatches {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(1)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_default_take(origin: OriginFor<T>, default_take: PerU16) -> DispatchResult {
            Self::set_default_take(origin, default_take)
        }

        #[pallet::call_index(2)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_tx_rate_limit(origin: OriginFor<T>, tx_rate_limit: u64) -> DispatchResult {
            Self::set_tx_rate_limit(origin, tx_rate_limit)
        }

        #[pallet::call_index(3)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_serving_rate_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            serving_rate_limit: u64,
        ) -> DispatchResult {
            Self::set_serving_rate_limit(origin, netuid, serving_rate_limit)
        }

        #[pallet::call_index(4)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_difficulty(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_difficulty: u64,
        ) -> DispatchResult {
            Self::set_min_difficulty(origin, netuid, min_difficulty)
        }

        #[pallet::call_index(5)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_difficulty(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_difficulty: u64,
        ) -> DispatchResult {
            Self::set_max_difficulty(origin, netuid, max_difficulty)
        }

        #[pallet::call_index(6)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_weights_version_key(
            origin: OriginFor<T>,
            netuid: NetUid,
            weights_version_key: u64,
        ) -> DispatchResult {
            Self::set_weights_version_key(origin, netuid, weights_version_key)
        }

        #[pallet::call_index(7)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_weights_set_rate_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            weights_set_rate_limit: u64,
        ) -> DispatchResult {
            Self::set_weights_set_rate_limit(origin, netuid, weights_set_rate_limit)
        }

        #[pallet::call_index(8)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_adjustment_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            adjustment_interval: u16,
        ) -> DispatchResult {
            Self::set_adjustment_interval(origin, netuid, adjustment_interval)
        }

        #[pallet::call_index(9)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_adjustment_alpha(
            origin: OriginFor<T>,
            netuid: NetUid,
            adjustment_alpha: u64,
        ) -> DispatchResult {
            Self::set_adjustment_alpha(origin, netuid, adjustment_alpha)
        }

        #[pallet::call_index(13)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_immunity_period(
            origin: OriginFor<T>,
            netuid: NetUid,
            immunity_period: u16,
        ) -> DispatchResult {
            Self::set_immunity_period(origin, netuid, immunity_period)
        }

        #[pallet::call_index(14)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_allowed_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_allowed_weights: u16,
        ) -> DispatchResult {
            Self::set_min_allowed_weights(origin, netuid, min_allowed_weights)
        }

        #[pallet::call_index(15)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_allowed_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_allowed_uids: u16,
        ) -> DispatchResult {
            Self::set_max_allowed_uids(origin, netuid, max_allowed_uids)
        }

        #[pallet::call_index(16)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_kappa(origin: OriginFor<T>, netuid: NetUid, kappa: u16) -> DispatchResult {
            Self::set_kappa(origin, netuid, kappa)
        }

        #[pallet::call_index(17)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_rho(origin: OriginFor<T>, netuid: NetUid, rho: u16) -> DispatchResult {
            Self::set_rho(origin, netuid, rho)
        }

        #[pallet::call_index(18)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_activity_cutoff(
            origin: OriginFor<T>,
            netuid: NetUid,
            activity_cutoff: u16,
        ) -> DispatchResult {
            Self::set_activity_cutoff(origin, netuid, activity_cutoff)
        }

        #[pallet::call_index(19)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_network_registration_allowed(
            origin: OriginFor<T>,
            netuid: NetUid,
            registration_allowed: bool,
        ) -> DispatchResult {
            Self::set_network_registration_allowed(origin, netuid, registration_allowed)
        }

        #[pallet::call_index(20)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_network_pow_registration_allowed(
            _origin: OriginFor<T>,
            _netuid: NetUid,
            _registration_allowed: bool,
        ) -> DispatchResult {
            Err(Error::<T>::POWRegistrationDisabled.into())
        }

        #[pallet::call_index(21)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_target_registrations_per_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            target_registrations_per_interval: u16,
        ) -> DispatchResult {
            Self::set_target_registrations_per_interval(origin, netuid, target_registrations_per_interval)
        }

        #[pallet::call_index(22)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_burn(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_burn: TaoBalance,
        ) -> DispatchResult {
            Self::set_min_burn(origin, netuid, min_burn)
        }

        #[pallet::call_index(23)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_burn(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_burn: TaoBalance,
        ) -> DispatchResult {
            Self::set_max_burn(origin, netuid, max_burn)
        }

        #[pallet::call_index(24)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_difficulty(origin: OriginFor<T>, netuid: NetUid, difficulty: u64) -> DispatchResult {
            Self::set_difficulty(origin, netuid, difficulty)
        }

        #[pallet::call_index(25)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_allowed_validators(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_allowed_validators: u16,
        ) -> DispatchResult {
            Self::set_max_allowed_validators(origin, netuid, max_allowed_validators)
        }

        #[pallet::call_index(26)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_bonds_moving_average(
            origin: OriginFor<T>,
            netuid: NetUid,
            bonds_moving_average: u64,
        ) -> DispatchResult {
            Self::set_bonds_moving_average(origin, netuid, bonds_moving_average)
        }

        #[pallet::call_index(27)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_registrations_per_block(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_registrations_per_block: u16,
        ) -> DispatchResult {
            Self::set_max_registrations_per_block(origin, netuid, max_registrations_per_block)
        }

        #[pallet::call_index(28)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_subnet_owner_cut(origin: OriginFor<T>, subnet_owner_cut: u16) -> DispatchResult {
            Self::set_subnet_owner_cut(origin, subnet_owner_cut)
        }

        #[pallet::call_index(29)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_network_rate_limit(origin: OriginFor<T>, rate_limit: u64) -> DispatchResult {
            Self::set_network_rate_limit(origin, rate_limit)
        }

        #[pallet::call_index(30)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
            Subtensor::<T>::do_set_tempo(origin, netuid, tempo)
        }

        #[pallet::call_index(35)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_network_immunity_period(
            origin: OriginFor<T>,
            immunity_period: u64,
        ) -> DispatchResult {
            Self::set_network_immunity_period(origin, immunity_period)
        }

        #[pallet::call_index(36)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_network_min_lock_cost(origin: OriginFor<T>, lock_cost: TaoBalance) -> DispatchResult {
            Self::set_network_min_lock_cost(origin, lock_cost)
        }

        #[pallet::call_index(37)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_subnet_limit(origin: OriginFor<T>, max_subnets: u16) -> DispatchResult {
            Self::set_subnet_limit(origin, max_subnets)
        }

        #[pallet::call_index(38)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_lock_reduction_interval(origin: OriginFor<T>, interval: u64) -> DispatchResult {
            Self::set_lock_reduction_interval(origin, interval)
        }

        #[pallet::call_index(39)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_rao_recycled(
            origin: OriginFor<T>,
            netuid: NetUid,
            rao_recycled: TaoBalance,
        ) -> DispatchResult {
            Self::set_rao_recycled(origin, netuid, rao_recycled)
        }

        #[pallet::call_index(42)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_stake_threshold(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
            Self::set_stake_threshold(origin, min_stake)
        }

        #[pallet::call_index(43)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_nominator_min_required_stake(origin: OriginFor<T>, min_stake: u64) -> DispatchResult {
            Self::set_nominator_min_required_stake(origin, min_stake)
        }

        #[pallet::call_index(45)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_tx_delegate_take_rate_limit(
            origin: OriginFor<T>,
            tx_rate_limit: u64,
        ) -> DispatchResult {
            Self::set_tx_delegate_take_rate_limit(origin, tx_rate_limit)
        }

        #[pallet::call_index(46)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_delegate_take(origin: OriginFor<T>, take: PerU16) -> DispatchResult {
            Self::set_min_delegate_take(origin, take)
        }

        #[pallet::call_index(49)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_commit_reveal_weights_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_commit_reveal_weights_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(50)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_liquid_alpha_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_liquid_alpha_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(51)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_alpha_values(
            origin: OriginFor<T>,
            netuid: NetUid,
            alpha_low: u16,
            alpha_high: u16,
        ) -> DispatchResult {
            Self::set_alpha_values(origin, netuid, alpha_low, alpha_high)
        }

        #[pallet::call_index(57)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_commit_reveal_weights_interval(
            origin: OriginFor<T>,
            netuid: NetUid,
            interval: u64,
        ) -> DispatchResult {
            Self::set_commit_reveal_weights_interval(origin, netuid, interval)
        }

        #[pallet::call_index(60)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_bonds_penalty(
            origin: OriginFor<T>,
            netuid: NetUid,
            bonds_penalty: u16,
        ) -> DispatchResult {
            Self::set_bonds_penalty(origin, netuid, bonds_penalty)
        }

        #[pallet::call_index(61)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_toggle_transfer(
            origin: OriginFor<T>,
            netuid: NetUid,
            toggle: bool,
        ) -> DispatchResult {
            Self::set_toggle_transfer(origin, netuid, toggle)
        }

        #[pallet::call_index(63)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_subnet_moving_alpha(origin: OriginFor<T>, alpha: I96F32) -> DispatchResult {
            Self::set_subnet_moving_alpha(origin, alpha)
        }

        #[pallet::call_index(65)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_ema_price_halving_period(
            origin: OriginFor<T>,
            netuid: NetUid,
            ema_halving: u64,
        ) -> DispatchResult {
            Self::set_ema_price_halving_period(origin, netuid, ema_halving)
        }

        #[pallet::call_index(66)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_subtoken_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            subtoken_enabled: bool,
        ) -> DispatchResult {
            Self::set_subtoken_enabled(origin, netuid, subtoken_enabled)
        }

        #[pallet::call_index(67)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_sn_owner_hotkey(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: AccountId32,
        ) -> DispatchResult {
            Self::set_owner_hotkey(origin, netuid, hotkey)
        }

        #[pallet::call_index(68)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_alpha_sigmoid_steepness(
            origin: OriginFor<T>,
            netuid: NetUid,
            steepness: i16,
        ) -> DispatchResult {
            Self::set_alpha_sigmoid_steepness(origin, netuid, steepness)
        }

        #[pallet::call_index(69)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_yuma3_enabled(origin: OriginFor<T>, netuid: NetUid, enabled: bool) -> DispatchResult {
            Self::set_yuma3_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(70)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_bonds_reset_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_bonds_reset_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(71)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_commit_reveal_version(origin: OriginFor<T>, version: u16) -> DispatchResult {
            Self::set_commit_reveal_version(origin, version)
        }

        #[pallet::call_index(72)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_owner_immune_neuron_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            immune_neurons: u16,
        ) -> DispatchResult {
            Self::set_owner_immune_neuron_limit(origin, netuid, immune_neurons)
        }

        #[pallet::call_index(74)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_admin_freeze_window(origin: OriginFor<T>, window: u16) -> DispatchResult {
            Self::set_admin_freeze_window(origin, window)
        }

        #[pallet::call_index(75)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_owner_hparam_rate_limit(origin: OriginFor<T>, epochs: u16) -> DispatchResult {
            Self::set_owner_hparam_rate_limit(origin, epochs)
        }

        #[pallet::call_index(76)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_mechanism_count(
            origin: OriginFor<T>,
            netuid: NetUid,
            mechanism_count: MechId,
        ) -> DispatchResult {
            Self::set_mechanism_count(origin, netuid, mechanism_count)
        }

        #[pallet::call_index(77)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_mechanism_emission_split(
            origin: OriginFor<T>,
            netuid: NetUid,
            maybe_split: Option<Vec<u16>>,
        ) -> DispatchResult {
            Self::set_emission_split(origin, netuid, maybe_split)
        }

        #[pallet::call_index(78)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_trim_to_max_allowed_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            max_n: u16,
        ) -> DispatchResult {
            Self::trim(origin, netuid, max_n)
        }

        #[pallet::call_index(79)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_allowed_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            min_allowed_uids: u16,
        ) -> DispatchResult {
            Self::set_min_allowed_uids(origin, netuid, min_allowed_uids)
        }

        #[pallet::call_index(80)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_recycle_or_burn(
            origin: OriginFor<T>,
            netuid: NetUid,
            recycle_or_burn: RecycleOrBurnEnum,
        ) -> DispatchResult {
            Self::set_recycle_or_burn(origin, netuid, recycle_or_burn)
        }

        #[pallet::call_index(84)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_non_immune_uids(
            origin: OriginFor<T>,
            netuid: NetUid,
            min: u16,
        ) -> DispatchResult {
            Self::set_min_non_immune_uids(origin, netuid, min)
        }

        #[pallet::call_index(85)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_start_call_delay(origin: OriginFor<T>, delay: u64) -> DispatchResult {
            Self::set_start_call_delay(origin, delay)
        }

        #[pallet::call_index(88)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_mechanism_count(
            origin: OriginFor<T>,
            max_mechanism_count: MechId,
        ) -> DispatchResult {
            Self::set_max_mechanism_count(origin, max_mechanism_count)
        }

        #[pallet::call_index(89)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_burn_half_life(
            origin: OriginFor<T>,
            netuid: NetUid,
            burn_half_life: u16,
        ) -> DispatchResult {
            Self::set_burn_half_life(origin, netuid, burn_half_life)
        }

        #[pallet::call_index(90)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_burn_increase_mult(
            origin: OriginFor<T>,
            netuid: NetUid,
            burn_increase_mult: U64F64,
        ) -> DispatchResult {
            Self::set_burn_increase_mult(origin, netuid, burn_increase_mult)
        }

        #[pallet::call_index(92)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_owner_cut_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_owner_cut_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(93)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_min_childkey_take_per_subnet(
            origin: OriginFor<T>,
            netuid: NetUid,
            take: PerU16,
        ) -> DispatchResult {
            Self::set_min_childkey_take_per_subnet(origin, netuid, take)
        }

        #[pallet::call_index(94)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_subnet_emission_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_subnet_emission_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(95)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_owner_cut_auto_lock_enabled(
            origin: OriginFor<T>,
            netuid: NetUid,
            enabled: bool,
        ) -> DispatchResult {
            Self::set_owner_cut_auto_lock_enabled(origin, netuid, enabled)
        }

        #[pallet::call_index(96)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_max_epochs_per_block(
            origin: OriginFor<T>,
            max_epochs_per_block: u8,
        ) -> DispatchResult {
            Self::set_max_epochs_per_block(origin, max_epochs_per_block)
        }

        #[pallet::call_index(97)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_activity_cutoff_factor(
            origin: OriginFor<T>,
            netuid: NetUid,
            factor_milli: u32,
        ) -> DispatchResult {
            Subtensor::<T>::do_set_activity_cutoff_factor(origin, netuid, factor_milli)
        }

        #[pallet::call_index(98)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_collateral_lock_share(
            origin: OriginFor<T>,
            netuid: NetUid,
            lock_share: u16,
        ) -> DispatchResult {
            Self::set_collateral_lock_share(origin, netuid, lock_share)
        }

        #[pallet::call_index(99)]
        #[pallet::weight((CALL_WEIGHT, DispatchClass::Operational, Pays::Yes))]
        pub fn sudo_set_collateral_drain_ratio(
            origin: OriginFor<T>,
            netuid: NetUid,
            drain_ratio: U64F64,
        ) -> DispatchResult {
            Self::set_collateral_drain_ratio(origin, netuid, drain_ratio)
        }

        #[pallet::call_index(104)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sudo_set_liquid_alpha_consensus_mode(
            origin: OriginFor<T>,
            netuid: NetUid,
            mode: ConsensusMode,
        ) -> DispatchResult {
            Self::set_liquid_alpha_consensus_mode(origin, netuid, mode)
        }
    }
}
