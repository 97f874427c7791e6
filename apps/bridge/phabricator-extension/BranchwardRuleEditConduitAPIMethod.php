<?php

final class BranchwardRuleEditConduitAPIMethod extends ConduitAPIMethod {

  public function getAPIMethodName() {
    return 'branchward.rule.edit';
  }

  public function getMethodDescription() {
    return pht(
      'Creates or restores the push rule of this name at this repository: '.
      'only members of the project may create, change or delete the branch or '.
      'bookmark. Refused while no commit of the repository has been imported, '.
      'since Phabricator then takes a push of more than %d commits for an '.
      'import and asks no rule.',
      PhabricatorRepository::IMPORT_THRESHOLD);
  }

  protected function defineParamTypes() {
    return array(
      'name' => 'required string',
      'repository' => 'required phid',
      'refType' => $this->formatStringConstants(BranchwardRule::getRefTypes()),
      'ref' => 'required string',
      'project' => 'required phid',
      'message' => 'required string',
      'disabled' => 'optional bool',
    );
  }

  protected function defineReturnType() {
    return 'dict<string, wild>';
  }

  protected function defineErrorTypes() {
    return BranchwardConduit::getErrorTypes();
  }

  protected function execute(ConduitAPIRequest $request) {
    BranchwardConduit::requireAdmin($request);

    return BranchwardConduit::applyChange(
      function () use ($request) {
        return $this->editRule($request);
      });
  }

  private function editRule(ConduitAPIRequest $request) {
    $disabled = (bool)$request->getValue('disabled', false);
    $repository = $this->loadRepository($request, !$disabled);
    $rule = $this->loadRule($request, $repository);
    if (!$rule) {
      $rule = $this->newRule($request, $repository);
    }
    $state = $this->newState($request);

    $xactions = array();
    if ($rule->getID() === null) {
      $xactions[] = id(new HeraldRuleTransaction())
        ->setTransactionType(PhabricatorTransactions::TYPE_CREATE);
    }
    $xactions[] = id(new HeraldRuleTransaction())
      ->setTransactionType(HeraldRuleEditTransaction::TRANSACTIONTYPE)
      ->setNewValue($state);
    if ((bool)$rule->getIsDisabled() !== $disabled) {
      $xactions[] = id(new HeraldRuleTransaction())
        ->setTransactionType(HeraldRuleDisableTransaction::TRANSACTIONTYPE)
        ->setNewValue($disabled);
    }
    BranchwardConduit::newEditor(new HeraldRuleEditor(), $request)
      ->setIsSilent(true)
      ->applyTransactions($rule, $xactions);

    $rule = BranchwardRule::newQuery()
      ->withPHIDs(array($rule->getPHID()))
      ->executeOne();
    return BranchwardRule::newDictionary($rule);
  }

  private function loadRepository(ConduitAPIRequest $request, $must_enforce) {
    $phid = (string)$request->getValue('repository');
    $repository = id(new PhabricatorRepositoryQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withPHIDs(array($phid))
      ->executeOne();
    if (!$repository) {
      throw BranchwardConduit::newError(
        'ERR-NOT-FOUND',
        pht('No repository "%s".', $phid));
    }
    if (!$must_enforce) {
      return $repository;
    }

    if (!$repository->isHosted()) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('The repository is not hosted here, so nobody pushes to it here.'));
    }
    if ($repository->isSVN()) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('A Subversion repository has no branches for Herald.'));
    }

    $commit = id(new DiffusionCommitQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withRepository($repository)
      ->setLimit(1)
      ->execute();
    if (!$commit) {
      throw BranchwardConduit::newError(
        'ERR-EMPTY-REPOSITORY',
        pht(
          'No commit of the repository has been imported yet: a push of more '.
          'than %d commits would count as an import, for which Herald asks no '.
          'rule.',
          PhabricatorRepository::IMPORT_THRESHOLD));
    }

    return $repository;
  }

  private function loadRule(
    ConduitAPIRequest $request,
    PhabricatorRepository $repository) {

    $rules = BranchwardRule::newQuery()
      ->withTriggerObjectPHIDs(array($repository->getPHID()))
      ->execute();
    $name = (string)$request->getValue('name');
    foreach (msort($rules, 'getID') as $rule) {
      if ($rule->getName() === $name) {
        return $rule;
      }
    }
    return null;
  }

  private function newRule(
    ConduitAPIRequest $request,
    PhabricatorRepository $repository) {

    $name = (string)$request->getValue('name');
    if (strncmp($name, BranchwardRule::PREFIX, strlen(BranchwardRule::PREFIX))) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('The name begins with "%s".', BranchwardRule::PREFIX));
    }

    return id(new HeraldRule())
      ->setName($name)
      ->setAuthorPHID($request->getUser()->getPHID())
      ->setContentType(
        id(new HeraldPreCommitRefAdapter())->getAdapterContentType())
      ->setRuleType(HeraldRuleTypeConfig::RULE_TYPE_OBJECT)
      ->setTriggerObjectPHID($repository->getPHID())
      ->setMustMatchAll(1)
      ->setRepetitionPolicyStringConstant(HeraldRule::REPEAT_EVERY)
      ->attachTriggerObject($repository)
      ->attachValidAuthor(true)
      ->attachAuthor($request->getUser())
      ->attachConditions(array())
      ->attachActions(array());
  }

  private function newState(ConduitAPIRequest $request) {
    $ref = (string)$request->getValue('ref');
    $ref_type = (string)$request->getValue('refType');
    $project_phid = (string)$request->getValue('project');

    if (!in_array($ref_type, BranchwardRule::getRefTypes(), true)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('Herald knows no ref type "%s".', $ref_type));
    }
    if (!strlen($ref) || preg_match('/[\x00-\x1f\x7f]/', $ref)) {
      throw BranchwardConduit::newError(
        'ERR-BAD-VALUE',
        pht('The name of the ref can not be used.'));
    }

    $project = id(new PhabricatorProjectQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withPHIDs(array($project_phid))
      ->executeOne();
    if (!$project) {
      throw BranchwardConduit::newError(
        'ERR-NOT-FOUND',
        pht('No project "%s".', $project_phid));
    }

    return BranchwardRule::newState(
      $ref_type,
      $ref,
      $project_phid,
      (string)$request->getValue('message'));
  }

}
