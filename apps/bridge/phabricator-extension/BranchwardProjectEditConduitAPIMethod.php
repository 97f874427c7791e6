<?php

final class BranchwardProjectEditConduitAPIMethod extends ConduitAPIMethod {

  public function getAPIMethodName() {
    return 'branchward.project.edit';
  }

  public function getMethodDescription() {
    return pht('Archives or activates a project, which stock Conduit can not.');
  }

  protected function defineParamTypes() {
    return array(
      'project' => 'required phid',
      'archived' => 'required bool',
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
        return $this->editProject($request);
      });
  }

  private function editProject(ConduitAPIRequest $request) {
    $phid = (string)$request->getValue('project');
    $archived = (bool)$request->getValue('archived');

    $project = id(new PhabricatorProjectQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withPHIDs(array($phid))
      ->executeOne();
    if (!$project) {
      throw BranchwardConduit::newError(
        'ERR-NOT-FOUND',
        pht('No project "%s".', $phid));
    }

    if ($project->isArchived() !== $archived) {
      $status = $archived
        ? PhabricatorProjectStatus::STATUS_ARCHIVED
        : PhabricatorProjectStatus::STATUS_ACTIVE;
      $xaction = id(new PhabricatorProjectTransaction())
        ->setTransactionType(
          PhabricatorProjectStatusTransaction::TRANSACTIONTYPE)
        ->setNewValue($status);
      BranchwardConduit::newEditor(
        new PhabricatorProjectTransactionEditor(),
        $request)->applyTransactions($project, array($xaction));
    }

    return array(
      'phid' => $phid,
      'archived' => (bool)$project->isArchived(),
    );
  }

}
