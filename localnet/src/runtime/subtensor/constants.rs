//! The constants of the pinned metadata: initial values of the hyperparameters and the bounds calls check.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod constants {
    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        #[pallet::constant_name(InitialIssuance)]
        pub(crate) fn initial_issuance() -> TaoBalance {
            TaoBalance::new(0)
        }

        #[pallet::constant_name(InitialMinAllowedWeights)]
        pub(crate) fn initial_min_allowed_weights() -> u16 {
            1024
        }

        #[pallet::constant_name(InitialEmissionValue)]
        pub(crate) fn initial_emission_value() -> u16 {
            0
        }

        #[pallet::constant_name(InitialTempo)]
        pub(crate) fn initial_tempo() -> u16 {
            10
        }

        #[pallet::constant_name(InitialDifficulty)]
        pub(crate) fn initial_difficulty() -> u64 {
            10000000
        }

        #[pallet::constant_name(InitialMaxDifficulty)]
        pub(crate) fn initial_max_difficulty() -> u64 {
            4611686018427387903
        }

        #[pallet::constant_name(InitialMinDifficulty)]
        pub(crate) fn initial_min_difficulty() -> u64 {
            10000000
        }

        #[pallet::constant_name(InitialRAORecycledForRegistration)]
        pub(crate) fn initial_raorecycled_for_registration() -> TaoBalance {
            TaoBalance::new(0)
        }

        #[pallet::constant_name(InitialBurn)]
        pub(crate) fn initial_burn() -> TaoBalance {
            TaoBalance::new(100000000)
        }

        #[pallet::constant_name(InitialMaxBurn)]
        pub(crate) fn initial_max_burn() -> TaoBalance {
            TaoBalance::new(100000000000)
        }

        #[pallet::constant_name(InitialMinBurn)]
        pub(crate) fn initial_min_burn() -> TaoBalance {
            TaoBalance::new(500000)
        }

        #[pallet::constant_name(InitialMinStake)]
        pub(crate) fn initial_min_stake() -> TaoBalance {
            TaoBalance::new(2000000)
        }

        #[pallet::constant_name(InitialMinTransfer)]
        pub(crate) fn initial_min_transfer() -> TaoBalance {
            TaoBalance::new(100000)
        }

        #[pallet::constant_name(MinBurnUpperBound)]
        pub(crate) fn min_burn_upper_bound() -> TaoBalance {
            TaoBalance::new(1000000000)
        }

        #[pallet::constant_name(MaxBurnLowerBound)]
        pub(crate) fn max_burn_lower_bound() -> TaoBalance {
            TaoBalance::new(100000000)
        }

        #[pallet::constant_name(MinTempo)]
        pub(crate) fn min_tempo() -> u16 {
            360
        }

        #[pallet::constant_name(MaxTempo)]
        pub(crate) fn max_tempo() -> u16 {
            50400
        }

        #[pallet::constant_name(MinActivityCutoffFactorMilli)]
        pub(crate) fn min_activity_cutoff_factor_milli() -> u32 {
            1000
        }

        #[pallet::constant_name(MaxActivityCutoffFactorMilli)]
        pub(crate) fn max_activity_cutoff_factor_milli() -> u32 {
            50000
        }

        #[pallet::constant_name(InitialAdjustmentInterval)]
        pub(crate) fn initial_adjustment_interval() -> u16 {
            100
        }

        #[pallet::constant_name(InitialBondsMovingAverage)]
        pub(crate) fn initial_bonds_moving_average() -> u64 {
            900000
        }

        #[pallet::constant_name(InitialBondsPenalty)]
        pub(crate) fn initial_bonds_penalty() -> u16 {
            65535
        }

        #[pallet::constant_name(InitialBondsResetOn)]
        pub(crate) fn initial_bonds_reset_on() -> bool {
            false
        }

        #[pallet::constant_name(InitialTargetRegistrationsPerInterval)]
        pub(crate) fn initial_target_registrations_per_interval() -> u16 {
            2
        }

        #[pallet::constant_name(InitialRho)]
        pub(crate) fn initial_rho() -> u16 {
            10
        }

        #[pallet::constant_name(InitialAlphaSigmoidSteepness)]
        pub(crate) fn initial_alpha_sigmoid_steepness() -> i16 {
            1000
        }

        #[pallet::constant_name(InitialKappa)]
        pub(crate) fn initial_kappa() -> u16 {
            32767
        }

        #[pallet::constant_name(InitialMinAllowedUids)]
        pub(crate) fn initial_min_allowed_uids() -> u16 {
            64
        }

        #[pallet::constant_name(InitialMaxAllowedUids)]
        pub(crate) fn initial_max_allowed_uids() -> u16 {
            256
        }

        #[pallet::constant_name(InitialValidatorPruneLen)]
        pub(crate) fn initial_validator_prune_len() -> u64 {
            1
        }

        #[pallet::constant_name(InitialScalingLawPower)]
        pub(crate) fn initial_scaling_law_power() -> u16 {
            50
        }

        #[pallet::constant_name(InitialImmunityPeriod)]
        pub(crate) fn initial_immunity_period() -> u16 {
            4096
        }

        #[pallet::constant_name(InitialActivityCutoff)]
        pub(crate) fn initial_activity_cutoff() -> u16 {
            5000
        }

        #[pallet::constant_name(InitialMaxRegistrationsPerBlock)]
        pub(crate) fn initial_max_registrations_per_block() -> u16 {
            1
        }

        #[pallet::constant_name(InitialPruningScore)]
        pub(crate) fn initial_pruning_score() -> u16 {
            65535
        }

        #[pallet::constant_name(InitialMaxAllowedValidators)]
        pub(crate) fn initial_max_allowed_validators() -> u16 {
            128
        }

        #[pallet::constant_name(InitialDefaultDelegateTake)]
        pub(crate) fn initial_default_delegate_take() -> u16 {
            11796
        }

        #[pallet::constant_name(InitialMinDelegateTake)]
        pub(crate) fn initial_min_delegate_take() -> u16 {
            0
        }

        #[pallet::constant_name(InitialDefaultChildKeyTake)]
        pub(crate) fn initial_default_child_key_take() -> u16 {
            0
        }

        #[pallet::constant_name(InitialMinChildKeyTake)]
        pub(crate) fn initial_min_child_key_take() -> u16 {
            0
        }

        #[pallet::constant_name(InitialMaxChildKeyTake)]
        pub(crate) fn initial_max_child_key_take() -> u16 {
            11796
        }

        #[pallet::constant_name(InitialWeightsVersionKey)]
        pub(crate) fn initial_weights_version_key() -> u64 {
            0
        }

        #[pallet::constant_name(InitialServingRateLimit)]
        pub(crate) fn initial_serving_rate_limit() -> u64 {
            50
        }

        #[pallet::constant_name(InitialTxRateLimit)]
        pub(crate) fn initial_tx_rate_limit() -> u64 {
            1000
        }

        #[pallet::constant_name(InitialTxDelegateTakeRateLimit)]
        pub(crate) fn initial_tx_delegate_take_rate_limit() -> u64 {
            216000
        }

        #[pallet::constant_name(InitialTxChildKeyTakeRateLimit)]
        pub(crate) fn initial_tx_child_key_take_rate_limit() -> u64 {
            5
        }

        #[pallet::constant_name(InitialAdjustmentAlpha)]
        pub(crate) fn initial_adjustment_alpha() -> u64 {
            0
        }

        #[pallet::constant_name(InitialNetworkImmunityPeriod)]
        pub(crate) fn initial_network_immunity_period() -> u64 {
            1296000
        }

        #[pallet::constant_name(InitialNetworkMinLockCost)]
        pub(crate) fn initial_network_min_lock_cost() -> TaoBalance {
            TaoBalance::new(1000000000000)
        }

        #[pallet::constant_name(InitialSubnetOwnerCut)]
        pub(crate) fn initial_subnet_owner_cut() -> u16 {
            11796
        }

        #[pallet::constant_name(InitialNetworkLockReductionInterval)]
        pub(crate) fn initial_network_lock_reduction_interval() -> u64 {
            100800
        }

        #[pallet::constant_name(InitialNetworkRateLimit)]
        pub(crate) fn initial_network_rate_limit() -> u64 {
            7200
        }

        #[pallet::constant_name(KeySwapCost)]
        pub(crate) fn key_swap_cost() -> TaoBalance {
            TaoBalance::new(100000000)
        }

        #[pallet::constant_name(AlphaHigh)]
        pub(crate) fn alpha_high() -> u16 {
            58982
        }

        #[pallet::constant_name(AlphaLow)]
        pub(crate) fn alpha_low() -> u16 {
            45875
        }

        #[pallet::constant_name(LiquidAlphaOn)]
        pub(crate) fn liquid_alpha_on() -> bool {
            false
        }

        #[pallet::constant_name(Yuma3On)]
        pub(crate) fn yuma3_on() -> bool {
            false
        }

        #[pallet::constant_name(InitialColdkeySwapAnnouncementDelay)]
        pub(crate) fn initial_coldkey_swap_announcement_delay() -> u32 {
            50
        }

        #[pallet::constant_name(InitialColdkeySwapReannouncementDelay)]
        pub(crate) fn initial_coldkey_swap_reannouncement_delay() -> u32 {
            10
        }

        #[pallet::constant_name(InitialDissolveNetworkScheduleDuration)]
        pub(crate) fn initial_dissolve_network_schedule_duration() -> u32 {
            36000
        }

        #[pallet::constant_name(InitialTaoWeight)]
        pub(crate) fn initial_tao_weight() -> u64 {
            971718665099567868
        }

        #[pallet::constant_name(InitialEmaPriceHalvingPeriod)]
        pub(crate) fn initial_ema_price_halving_period() -> u64 {
            201600
        }

        #[pallet::constant_name(InitialStartCallDelay)]
        pub(crate) fn initial_start_call_delay() -> u64 {
            0
        }

        #[pallet::constant_name(KeySwapOnSubnetCost)]
        pub(crate) fn key_swap_on_subnet_cost() -> TaoBalance {
            TaoBalance::new(1000000)
        }

        #[pallet::constant_name(HotkeySwapOnSubnetInterval)]
        pub(crate) fn hotkey_swap_on_subnet_interval() -> u64 {
            1
        }

        #[pallet::constant_name(LeaseDividendsDistributionInterval)]
        pub(crate) fn lease_dividends_distribution_interval() -> u32 {
            100
        }

        #[pallet::constant_name(InitialMaxEpochsPerBlock)]
        pub(crate) fn initial_max_epochs_per_block() -> u8 {
            32
        }
    }
}
