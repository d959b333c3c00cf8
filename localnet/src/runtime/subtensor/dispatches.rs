//! The calls, with the indices, argument names and types of the pinned metadata. What each does stands in `calls/`.

use frame_support::pallet_macros::pallet_section;

#[pallet_section]
mod dispatches {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        #[pallet::call_index(0)]
        #[pallet::weight((Weight::from_parts(15_540_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn set_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            dests: Vec<u16>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_set_weights(&ensure_signed(origin)?, netuid, MechId::MAIN, dests, weights, version_key)
        }

        #[pallet::call_index(119)]
        #[pallet::weight((Weight::from_parts(15_540_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn set_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            dests: Vec<u16>,
            weights: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            Self::do_set_weights(&ensure_signed(origin)?, netuid, mecid, dests, weights, version_key)
        }

        #[pallet::call_index(80)]
        #[pallet::weight((Weight::from_parts(98_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn batch_set_weights(
            origin: OriginFor<T>,
            netuids: Vec<Compact<NetUid>>,
            weights: Vec<Vec<(Compact<u16>, Compact<u16>)>>,
            version_keys: Vec<Compact<u64>>,
        ) -> DispatchResult {
            Self::do_batch_set_weights(&ensure_signed(origin)?, netuids, weights, version_keys)
        }

        #[pallet::call_index(96)]
        #[pallet::weight((Weight::from_parts(55_130_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn commit_weights(origin: OriginFor<T>, netuid: NetUid, commit_hash: H256) -> DispatchResult {
            Self::do_commit_weights(&ensure_signed(origin)?, netuid, MechId::MAIN, commit_hash)
        }

        #[pallet::call_index(115)]
        #[pallet::weight((Weight::from_parts(55_130_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn commit_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit_hash: H256,
        ) -> DispatchResult {
            Self::do_commit_weights(&ensure_signed(origin)?, netuid, mecid, commit_hash)
        }

        #[pallet::call_index(100)]
        #[pallet::weight((Weight::from_parts(100_500_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn batch_commit_weights(
            origin: OriginFor<T>,
            netuids: Vec<Compact<NetUid>>,
            commit_hashes: Vec<H256>,
        ) -> DispatchResult {
            Self::do_batch_commit_weights(&ensure_signed(origin)?, netuids, commit_hashes)
        }

        #[pallet::call_index(97)]
        #[pallet::weight((Weight::from_parts(122_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn reveal_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            uids: Vec<u16>,
            values: Vec<u16>,
            salt: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let row = Revealed { uids, values, salt, version_key };
            Self::do_reveal_weights(&hotkey, netuid, MechId::MAIN, row)
        }

        #[pallet::call_index(116)]
        #[pallet::weight((Weight::from_parts(122_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn reveal_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            uids: Vec<u16>,
            values: Vec<u16>,
            salt: Vec<u16>,
            version_key: u64,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let row = Revealed { uids, values, salt, version_key };
            Self::do_reveal_weights(&hotkey, netuid, mecid, row)
        }

        #[pallet::call_index(98)]
        #[pallet::weight((Weight::from_parts(412_000_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn batch_reveal_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            uids_list: Vec<Vec<u16>>,
            values_list: Vec<Vec<u16>>,
            salts_list: Vec<Vec<u16>>,
            version_keys: Vec<u64>,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let lists =
                RevealedLists { uids: uids_list, values: values_list, salts: salts_list, version_keys };
            Self::do_batch_reveal_weights(&hotkey, netuid, lists.rows::<T>()?)
        }

        #[pallet::call_index(113)]
        #[pallet::weight((Weight::from_parts(63_690_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn commit_timelocked_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            commit: BoundedVec<u8, CommitBytesMax>,
            reveal_round: u64,
            commit_reveal_version: u16,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let timelocked = Timelocked { commit, reveal_round, version: commit_reveal_version };
            Self::do_commit_timelocked(&hotkey, netuid, MechId::MAIN, timelocked)
        }

        #[pallet::call_index(118)]
        #[pallet::weight((Weight::from_parts(63_690_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn commit_timelocked_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit: BoundedVec<u8, CommitBytesMax>,
            reveal_round: u64,
            commit_reveal_version: u16,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let timelocked = Timelocked { commit, reveal_round, version: commit_reveal_version };
            Self::do_commit_timelocked(&hotkey, netuid, mecid, timelocked)
        }

        #[pallet::call_index(117)]
        #[pallet::weight((Weight::from_parts(63_690_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn commit_crv3_mechanism_weights(
            origin: OriginFor<T>,
            netuid: NetUid,
            mecid: MechId,
            commit: BoundedVec<u8, CommitBytesMax>,
            reveal_round: u64,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let timelocked = Timelocked { commit, reveal_round, version: Timelocked::VERSION };
            Self::do_commit_timelocked(&hotkey, netuid, mecid, timelocked)
        }

        #[pallet::call_index(2)]
        #[pallet::weight((Weight::from_parts(439_200_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn add_stake(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            amount_staked: TaoBalance,
        ) -> DispatchResult {
            Self::do_add_stake(&ensure_signed(origin)?, &hotkey, netuid, amount_staked, None)
        }

        #[pallet::call_index(3)]
        #[pallet::weight((Weight::from_parts(436_200_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn remove_stake(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            amount_unstaked: AlphaBalance,
        ) -> DispatchResult {
            Self::do_remove_stake(&ensure_signed(origin)?, &hotkey, netuid, amount_unstaked, None)
        }

        #[pallet::call_index(4)]
        #[pallet::weight((Weight::from_parts(33_010_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn serve_axon(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
            protocol: u8,
            placeholder1: u8,
            placeholder2: u8,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let axon = Self::axon(version, ip, port, ip_type, [protocol, placeholder1, placeholder2]);
            Self::do_serve_axon(&hotkey, netuid, axon, None)
        }

        #[pallet::call_index(40)]
        #[pallet::weight((Weight::from_parts(33_010_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn serve_axon_tls(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
            protocol: u8,
            placeholder1: u8,
            placeholder2: u8,
            certificate: Vec<u8>,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let axon = Self::axon(version, ip, port, ip_type, [protocol, placeholder1, placeholder2]);
            Self::do_serve_axon(&hotkey, netuid, axon, Some(certificate))
        }

        #[pallet::call_index(5)]
        #[pallet::weight((Weight::from_parts(29_760_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn serve_prometheus(
            origin: OriginFor<T>,
            netuid: NetUid,
            version: u32,
            ip: u128,
            port: u16,
            ip_type: u8,
        ) -> DispatchResult {
            let hotkey = ensure_signed(origin)?;
            let endpoint = PrometheusInfo { block: Self::block(), version, ip, port, ip_type };
            Self::do_serve_prometheus(&hotkey, netuid, endpoint)
        }

        #[pallet::call_index(6)]
        #[pallet::weight((Weight::from_parts(197_900_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn register(
            origin: OriginFor<T>,
            netuid: NetUid,
            _block_number: u64,
            _nonce: u64,
            _work: Vec<u8>,
            hotkey: AccountId32,
            _coldkey: AccountId32,
        ) -> DispatchResult {
            Self::do_register(&ensure_signed(origin)?, netuid, &hotkey, None)
        }

        #[pallet::call_index(7)]
        #[pallet::weight((Weight::from_parts(354_200_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn burned_register(origin: OriginFor<T>, netuid: NetUid, hotkey: AccountId32) -> DispatchResult {
            Self::do_register(&ensure_signed(origin)?, netuid, &hotkey, None)
        }

        #[pallet::call_index(134)]
        #[pallet::weight((Weight::from_parts(354_200_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn register_limit(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: AccountId32,
            limit_price: u64,
        ) -> DispatchResult {
            Self::do_register(&ensure_signed(origin)?, netuid, &hotkey, Some(TaoBalance::new(limit_price)))
        }

        #[pallet::call_index(88)]
        #[pallet::weight((Weight::from_parts(693_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn add_stake_limit(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            amount_staked: TaoBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let limit = Limit { price: limit_price, partial: allow_partial };
            Self::do_add_stake(&coldkey, &hotkey, netuid, amount_staked, Some(limit))
        }

        #[pallet::call_index(89)]
        #[pallet::weight((Weight::from_parts(693_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn remove_stake_limit(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            amount_unstaked: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let limit = Limit { price: limit_price, partial: allow_partial };
            Self::do_remove_stake(&coldkey, &hotkey, netuid, amount_unstaked, Some(limit))
        }

        #[pallet::call_index(103)]
        #[pallet::weight((Weight::from_parts(693_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn remove_stake_full_limit(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            limit_price: Option<TaoBalance>,
        ) -> DispatchResult {
            Self::do_remove_stake_full(&ensure_signed(origin)?, &hotkey, netuid, limit_price)
        }

        #[pallet::call_index(83)]
        #[pallet::weight((Weight::from_parts(28_830_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn unstake_all(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            Self::do_unstake_all(&ensure_signed(origin)?, &hotkey)
        }

        #[pallet::call_index(84)]
        #[pallet::weight((Weight::from_parts(358_500_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn unstake_all_alpha(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            Self::do_unstake_all_alpha(&ensure_signed(origin)?, &hotkey)
        }

        #[pallet::call_index(85)]
        #[pallet::weight((Weight::from_parts(164_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn move_stake(
            origin: OriginFor<T>,
            origin_hotkey: AccountId32,
            destination_hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let (from, to) = ((&origin_hotkey, origin_netuid), (&destination_hotkey, destination_netuid));
            Self::do_move_stake(&coldkey, from, to, alpha_amount, None)
        }

        #[pallet::call_index(149)]
        #[pallet::weight((Weight::from_parts(164_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn move_stake_limit(
            origin: OriginFor<T>,
            origin_hotkey: AccountId32,
            destination_hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let (from, to) = ((&origin_hotkey, origin_netuid), (&destination_hotkey, destination_netuid));
            let limit = Limit { price: limit_price, partial: allow_partial };
            Self::do_move_stake(&coldkey, from, to, alpha_amount, Some(limit))
        }

        #[pallet::call_index(86)]
        #[pallet::weight((Weight::from_parts(160_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn transfer_stake(
            origin: OriginFor<T>,
            destination_coldkey: AccountId32,
            hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let (from, to) = ((&coldkey, origin_netuid), (&destination_coldkey, destination_netuid));
            Self::do_transfer_stake(from, to, &hotkey, alpha_amount)
        }

        #[pallet::call_index(143)]
        #[pallet::weight((Weight::from_parts(160_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn transfer_stake_and_hotkey(
            origin: OriginFor<T>,
            destination_coldkey: AccountId32,
            origin_hotkey: AccountId32,
            destination_hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let from = Position { coldkey: &coldkey, hotkey: &origin_hotkey, netuid: origin_netuid };
            let (coldkey, hotkey) = (&destination_coldkey, &destination_hotkey);
            let to = Position { coldkey, hotkey, netuid: destination_netuid };
            Self::do_transfer_stake_and_hotkey(from, to, alpha_amount)
        }

        #[pallet::call_index(87)]
        #[pallet::weight((Weight::from_parts(351_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn swap_stake(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
        ) -> DispatchResult {
            Self::do_swap_stake(
                &ensure_signed(origin)?,
                &hotkey,
                origin_netuid,
                destination_netuid,
                alpha_amount,
                None,
            )
        }

        #[pallet::call_index(90)]
        #[pallet::weight((Weight::from_parts(411_500_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn swap_stake_limit(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            origin_netuid: NetUid,
            destination_netuid: NetUid,
            alpha_amount: AlphaBalance,
            limit_price: TaoBalance,
            allow_partial: bool,
        ) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            let limit = Some(Limit { price: limit_price, partial: allow_partial });
            Self::do_swap_stake(&coldkey, &hotkey, origin_netuid, destination_netuid, alpha_amount, limit)
        }

        #[pallet::call_index(121)]
        #[pallet::weight((Weight::from_parts(117_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn claim_root(origin: OriginFor<T>, subnets: BTreeSet<NetUid>) -> DispatchResult {
            Self::do_claim_root(&ensure_signed(origin)?, subnets)
        }

        #[pallet::call_index(148)]
        #[pallet::weight((Weight::from_parts(117_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn claim_root_with_hotkey(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            Self::do_claim_root_with_hotkey(&ensure_signed(origin)?, &hotkey)
        }

        #[pallet::call_index(67)]
        #[pallet::weight((Weight::from_parts(119_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_children(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            children: Vec<(u64, AccountId32)>,
        ) -> DispatchResult {
            Self::do_set_children(&ensure_signed(origin)?, &hotkey, netuid, children)
        }

        #[pallet::call_index(75)]
        #[pallet::weight((Weight::from_parts(34_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_childkey_take(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            netuid: NetUid,
            take: PerU16,
        ) -> DispatchResult {
            Self::do_set_childkey_take(&ensure_signed(origin)?, &hotkey, netuid, take)
        }

        #[pallet::call_index(109)]
        #[pallet::weight((Weight::from_parts(10_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_pending_childkey_cooldown(origin: OriginFor<T>, cooldown: u64) -> DispatchResult {
            ensure_root(origin)?;
            PendingChildKeyCooldown::<T>::put(cooldown);
            Ok(())
        }

        #[pallet::call_index(62)]
        #[pallet::weight((Weight::from_parts(135_900_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn root_register(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            Self::do_root_register(&ensure_signed(origin)?, &hotkey)
        }

        #[pallet::call_index(59)]
        #[pallet::weight((Weight::from_parts(235_400_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn register_network(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            Self::do_register_network(&ensure_signed(origin)?, &hotkey, None)
        }

        #[pallet::call_index(79)]
        #[pallet::weight((Weight::from_parts(234_200_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn register_network_with_identity(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            identity: Option<SubnetIdentityV3>,
        ) -> DispatchResult {
            Self::do_register_network(&ensure_signed(origin)?, &hotkey, identity)
        }

        /// Newer than the pinned metadata.
        #[pallet::call_index(152)]
        #[pallet::weight((Weight::from_parts(354_200_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn pow_register(
            origin: OriginFor<T>,
            netuid: NetUid,
            work_block: u64,
            nonce: u64,
            work: [u8; 32],
            hotkey: AccountId32,
        ) -> DispatchResult {
            let work = Work { block: work_block, nonce, seal: work };
            Self::do_pow_register(&ensure_signed(origin)?, netuid, &hotkey, work)
        }

        #[pallet::call_index(65)]
        #[pallet::weight((Weight::from_parts(25_040_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn decrease_take(origin: OriginFor<T>, hotkey: AccountId32, take: PerU16) -> DispatchResult {
            Self::do_decrease_take(&ensure_signed(origin)?, &hotkey, take)
        }

        #[pallet::call_index(66)]
        #[pallet::weight((Weight::from_parts(31_590_000, 0), DispatchClass::Normal, Pays::No))]
        pub fn increase_take(origin: OriginFor<T>, hotkey: AccountId32, take: PerU16) -> DispatchResult {
            Self::do_increase_take(&ensure_signed(origin)?, &hotkey, take)
        }

        #[pallet::call_index(68)]
        #[pallet::weight((Weight::from_parts(38_240_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_identity(
            origin: OriginFor<T>,
            name: Vec<u8>,
            url: Vec<u8>,
            github_repo: Vec<u8>,
            image: Vec<u8>,
            discord: Vec<u8>,
            description: Vec<u8>,
            additional: Vec<u8>,
        ) -> DispatchResult {
            let identity =
                ChainIdentityV2 { name, url, github_repo, image, discord, description, additional };
            Self::do_set_identity(&ensure_signed(origin)?, identity)
        }

        #[pallet::call_index(78)]
        #[pallet::weight((Weight::from_parts(25_390_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_subnet_identity(
            origin: OriginFor<T>,
            netuid: NetUid,
            subnet_name: Vec<u8>,
            github_repo: Vec<u8>,
            subnet_contact: Vec<u8>,
            subnet_url: Vec<u8>,
            discord: Vec<u8>,
            description: Vec<u8>,
            logo_url: Vec<u8>,
            additional: Vec<u8>,
        ) -> DispatchResult {
            let identity = SubnetIdentityV3 {
                subnet_name,
                github_repo,
                subnet_contact,
                subnet_url,
                discord,
                description,
                logo_url,
                additional,
            };
            Self::do_set_subnet_identity(&ensure_signed(origin)?, netuid, identity)
        }

        #[pallet::call_index(70)]
        #[pallet::weight((Weight::from_parts(275_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn swap_hotkey(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            new_hotkey: AccountId32,
            netuid: Option<NetUid>,
        ) -> DispatchResult {
            Self::do_swap_hotkey(&ensure_signed(origin)?, &hotkey, &new_hotkey, netuid, false)
        }

        #[pallet::call_index(72)]
        #[pallet::weight((Weight::from_parts(275_300_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn swap_hotkey_v2(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            new_hotkey: AccountId32,
            netuid: Option<NetUid>,
            keep_stake: bool,
        ) -> DispatchResult {
            Self::do_swap_hotkey(&ensure_signed(origin)?, &hotkey, &new_hotkey, netuid, keep_stake)
        }

        #[pallet::call_index(101)]
        #[pallet::weight((Weight::from_parts(101_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn recycle_alpha(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            amount: AlphaBalance,
            netuid: NetUid,
        ) -> DispatchResult {
            Self::do_destroy_alpha(&ensure_signed(origin)?, &hotkey, netuid, amount, true)
        }

        #[pallet::call_index(102)]
        #[pallet::weight((Weight::from_parts(99_700_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn burn_alpha(
            origin: OriginFor<T>,
            hotkey: AccountId32,
            amount: AlphaBalance,
            netuid: NetUid,
        ) -> DispatchResult {
            Self::do_destroy_alpha(&ensure_signed(origin)?, &hotkey, netuid, amount, false)
        }

        #[pallet::call_index(114)]
        #[pallet::weight((Weight::from_parts(29_900_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_coldkey_auto_stake_hotkey(
            origin: OriginFor<T>,
            netuid: NetUid,
            hotkey: AccountId32,
        ) -> DispatchResult {
            Self::do_set_auto_stake(&ensure_signed(origin)?, netuid, &hotkey)
        }

        #[pallet::call_index(91)]
        #[pallet::weight((Weight::from_parts(32_560_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn try_associate_hotkey(origin: OriginFor<T>, hotkey: AccountId32) -> DispatchResult {
            let coldkey = ensure_signed(origin)?;
            Self::associate(&coldkey, &hotkey);
            Ok(())
        }

        #[pallet::call_index(92)]
        #[pallet::weight((Weight::from_parts(92_600_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn start_call(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            Self::do_start_call(&ensure_signed(origin)?, netuid)
        }

        #[pallet::call_index(139)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_tempo(origin: OriginFor<T>, netuid: NetUid, tempo: u16) -> DispatchResult {
            Self::do_set_tempo(origin, netuid, tempo)
        }

        #[pallet::call_index(140)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn set_activity_cutoff_factor(
            origin: OriginFor<T>,
            netuid: NetUid,
            factor_milli: u32,
        ) -> DispatchResult {
            Self::do_set_activity_cutoff_factor(origin, netuid, factor_milli)
        }

        #[pallet::call_index(141)]
        #[pallet::weight((Weight::from_parts(30_000_000, 0), DispatchClass::Normal, Pays::Yes))]
        pub fn trigger_epoch(origin: OriginFor<T>, netuid: NetUid) -> DispatchResult {
            let owner = Self::ensure_subnet_owner(origin, netuid)?;
            Self::do_trigger_epoch(owner, netuid)
        }
    }
}
